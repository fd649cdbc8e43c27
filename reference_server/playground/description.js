// Shows /openapi.json as a page: each route with its request and its answers, then each schema.

const METHODS = ["get", "post", "put", "patch", "delete"];
const main = document.getElementById("api");

try {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`status ${response.status}`);
  show(await response.json());
} catch (error) {
  main.replaceChildren(paragraph(`openapi.json cannot be read: ${error.message}`));
}
main.removeAttribute("aria-busy");

function show(api) {
  const resolve = (part) => (part?.$ref ? part.$ref.slice(2).split("/").reduce((inside, key) => inside[key], api) : part);
  const routes = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => route(method, path, item, resolve)),
  );
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => schemaSection(name, schema));
  main.replaceChildren(
    ...api.info.description.split("\n\n").map(paragraph),
    heading("h2", "Routes"),
    ...routes,
    heading("h2", "Schemas"),
    ...schemas,
  );
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

function route(method, path, item, resolve) {
  const operation = item[method];
  const section = element("section", { id: operation.operationId });
  const title = element("h3");
  title.append(element("span", { className: `method ${method}` }, method.toUpperCase()), " ", element("code", {}, path));
  section.append(title, paragraph(operation.summary));
  if (operation.description) section.append(paragraph(operation.description));
  for (const parameter of item.parameters ?? []) {
    const line = paragraph(`: ${parameter.description}`);
    line.prepend(element("code", {}, parameter.name));
    section.append(line);
  }
  const body = operation.requestBody?.content["application/json"];
  if (body) {
    const line = paragraph("Body: application/json, ");
    line.append(...typeOf(body.schema));
    section.append(line);
    for (const example of Object.values(body.examples ?? {})) {
      section.append(paragraph(`${example.summary}:`), curl(method, path, example.value));
    }
  }
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const { description, content = {} } = resolve(answer);
    const types = Object.entries(content).map(([type, { schema }]) => [`${type}, `, ...typeOf(schema)]);
    return [[element("code", {}, status)], inCode(description), types.flat()];
  });
  section.append(table(["Status", "When", "Body"], rows));
  return section;
}

function curl(method, path, body) {
  const text = JSON.stringify(body).replaceAll("'", "'\\''");
  const lines = [`curl -N -X ${method.toUpperCase()} ${location.origin}${path}`];
  lines.push("  -H 'Content-Type: application/json'", `  -d '${text}'`);
  return element("pre", { tabIndex: 0 }, lines.join(" \\\n"));
}

function schemaSection(name, schema) {
  const section = element("section", { id: name });
  section.append(heading("h3", name));
  if (schema.description) section.append(paragraph(schema.description));
  if (schema.properties) {
    const rows = Object.entries(schema.properties).map(([key, value]) => {
      const needed = schema.required?.includes(key) ? "" : ", optional";
      const about = [...inCode(value.description ?? ""), " ", bounds(value)];
      return [[element("code", {}, key)], [...typeOf(value), needed], about];
    });
    section.append(table(["Field", "Type", "Meaning"], rows));
  } else {
    const line = paragraph("");
    line.append(...typeOf(schema));
    section.append(line);
  }
  return section;
}

/** A schema in a few words, as nodes: links to other schemas among them. */
function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: `#${name}` }, name)];
  }
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return either.flatMap((one, index) => (index ? [" or ", ...typeOf(one)] : typeOf(one)));
  if ("const" in schema) return [element("code", {}, JSON.stringify(schema.const))];
  return [[schema.type ?? "any"].flat().join(" or ") + (schema.format ? ` (${schema.format})` : "")];
}

function bounds(schema) {
  const { minLength, maxLength, minimum, exclusiveMinimum, maximum } = schema;
  const said = [];
  if (maxLength !== undefined) said.push(`${minLength ?? 0} to ${maxLength.toLocaleString("en")} characters`);
  else if (minLength) said.push("not empty");
  if (minimum !== undefined) said.push(`at least ${minimum}`);
  if (exclusiveMinimum !== undefined) said.push(`more than ${exclusiveMinimum}`);
  if (maximum !== undefined) said.push(`at most ${maximum}`);
  return said.length ? `(${said.join(", ")})` : "";
}

function table(heads, rows) {
  const head = element("tr");
  head.append(...heads.map((text) => element("th", { scope: "col" }, text)));
  const found = element("table");
  found.createTHead().append(head);
  const body = found.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const [number, parts] of cells.entries()) {
      const cell = row.insertCell();
      cell.dataset.head = heads[number];
      cell.append(...parts);
    }
  }
  return found;
}

/** Text with its `code` in code elements. */
function inCode(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function paragraph(text) {
  const found = element("p");
  found.append(...inCode(text));
  return found;
}

function heading(level, text) {
  return element(level, {}, text);
}

function element(name, properties = {}, text = "") {
  const found = Object.assign(document.createElement(name), properties);
  if (text) found.textContent = text;
  return found;
}
