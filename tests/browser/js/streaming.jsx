import { createRoot } from "react-dom/client";
import { StreamingChat } from "../documents/StreamingChat.jsx";

createRoot(document.getElementById("root")).render(<StreamingChat />);
