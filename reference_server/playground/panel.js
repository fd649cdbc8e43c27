// One transport's panel: the conversation, the numbers, the chart, the stop button.

import { Chart, seconds } from "./chart.js";
import { Failure, Stopped } from "./failure.js";

const NEAR_END = 40; // pixels: do not scroll to the end if the user has scrolled up further than this

export class Panel {
  #stopper = null; // aborts the running reply

  /**
   * `ask({message, sessionId, jwt}, signal, onToken)` resolves to a completion event or rejects with a
   * Failure. `onChange()` is called when a reply starts and when it ends.
   */
  constructor({ id, title, short, about, ask, onChange }) {
    const root = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    this.root = root;
    this.ask = ask;
    this.onChange = onChange;
    root.id = id;
    root.querySelector("h2").textContent = title;
    root.setAttribute("aria-label", title);
    root.querySelector(".log").setAttribute("aria-label", `${title}: messages`);
    root.querySelector(".empty").textContent = about;
    this.state = root.querySelector(".state");
    this.log = root.querySelector(".log");
    this.stopButton = root.querySelector(".stop");
    this.stopButton.setAttribute("aria-label", `Stop the reply over ${title}`);
    this.stopButton.addEventListener("click", () => this.stop());
    this.chart = new Chart(root.querySelector(".chart"));
    document.getElementById("panels").append(root);
    this.tab = document.getElementById("tab").content.firstElementChild.cloneNode(true);
    this.tab.setAttribute("aria-controls", id);
    this.tab.querySelector("b").textContent = short;
    document.getElementById("tabs").append(this.tab);
  }

  get busy() {
    return this.#stopper !== null;
  }

  stop() {
    this.#stopper?.abort();
  }

  setState(name, text) {
    this.state.dataset.state = name;
    this.state.textContent = text;
  }

  /** What the panel's tab says beside its name: how the newest reply goes, also while the other panel is shown. */
  #tell(text) {
    this.tab.querySelector("span").textContent = text;
  }

  /** Send the message and show the reply. Returns whether the reply was completed. */
  async send(request) {
    if (this.busy) return false;
    this.#stopper = new AbortController();
    this.#began();
    const reply = this.#open(request.message);
    const start = performance.now();
    let count = 0;
    try {
      const completion = await this.ask(request, this.#stopper.signal, ({ token }) => {
        const elapsed = performance.now() - start;
        count += 1;
        if (count === 1) this.#number("first", seconds(elapsed));
        this.#counted(count);
        this.chart.add(elapsed);
        this.#following(() => reply.text.appendData(token));
      });
      this.#counted(completion.tokens);
      this.#number("duration", `${completion.duration} s`);
      this.#number("speed", completion.tokens_per_second);
      return true;
    } catch (problem) {
      // no completion says them: these are the page's own times, to the moment at which the reply ended
      const elapsed = performance.now() - start;
      this.#counted(count);
      this.#number("duration", seconds(elapsed));
      if (count > 0) this.#number("speed", ((count / elapsed) * 1000).toFixed(1));
      this.#tell(problem instanceof Stopped ? "stopped" : "failed");
      this.#following(() => reply.article.append(this.#notice(problem, request)));
      return false;
    } finally {
      reply.article.setAttribute("aria-busy", "false");
      this.#stopper = null;
      this.stopButton.disabled = true;
      this.onChange();
    }
  }

  #began() {
    this.stopButton.disabled = false;
    this.chart.clear();
    for (const name of ["first", "tokens", "duration", "speed"]) this.#number(name, "–");
    this.#tell("waiting");
    this.onChange();
  }

  #open(message) {
    this.log.querySelector(".empty")?.remove();
    const article = element("article", "exchange");
    const text = document.createTextNode("");
    const reply = element("p", "reply");
    reply.append(text);
    reply.dir = "auto";
    const asked = element("p", "asked", message);
    asked.dir = "auto";
    article.setAttribute("aria-busy", "true");
    article.append(asked, reply);
    this.log.append(article);
    this.log.scrollTop = this.log.scrollHeight;
    return { article, text };
  }

  #notice(problem, request) {
    const known = problem instanceof Failure;
    const stopped = problem instanceof Stopped;
    const notice = element("div", stopped ? "notice stopped" : "notice error");
    notice.setAttribute("role", stopped ? "status" : "alert");
    notice.append(
      element("strong", "", known ? problem.title : "The page failed"),
      element("span", "", known ? problem.message : String(problem)),
    );
    const again = element("button", "again", "Ask again");
    again.type = "button";
    again.addEventListener("click", () => this.send(request));
    notice.append(again);
    return notice;
  }

  #counted(tokens) {
    this.#number("tokens", tokens);
    this.#tell(tokens === 1 ? "1 token" : `${tokens} tokens`);
  }

  #number(name, value) {
    this.root.querySelector(`[data-number="${name}"]`).textContent = value ?? "–";
  }

  /** Change the log. If its end was visible, scroll to the new end. */
  #following(change) {
    const { log } = this;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    change();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
