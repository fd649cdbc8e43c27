import { createRoot } from "react-dom/client";
import { WebSocketChat } from "../documents/WebSocketChat.jsx";

createRoot(document.getElementById("root")).render(<WebSocketChat />);
