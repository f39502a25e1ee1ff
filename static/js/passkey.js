// Asks the browser for a passkey and sends the answer along with the form. Without it the form says what it needs.
const decode = (text) => {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
};
const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
const known = (list) => (list ?? []).map((one) => ({ ...one, id: decode(one.id) }));

const make = async (options) => {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    user: { ...options.user, id: decode(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  };
  const { id, rawId, response } = await navigator.credentials.create({ publicKey });
  return { id, rawId, response, parts: ["clientDataJSON", "attestationObject"] };
};

const ask = async (options) => {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    allowCredentials: known(options.allowCredentials),
  };
  const { id, rawId, response } = await navigator.credentials.get({ publicKey });
  return { id, rawId, response, parts: ["clientDataJSON", "authenticatorData", "signature"] };
};

const why = (error) => {
  if (!window.PublicKeyCredential) return "This browser knows no passkeys, or the connection is not secure.";
  if (error.name === "InvalidStateError") return "This passkey is on your account already.";
  if (error.name === "SecurityError") return "Passkeys do not work at this address: the site must have a name.";
  if (error.name === "NotAllowedError") return "No passkey was given. You can try again.";
  return "That did not work. You can try again.";
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const field = form.querySelector("[name=credential]");
  const said = form.querySelector("[data-said]");
  const options = JSON.parse(document.querySelector("#passkey-options").textContent).publicKey;
  field.value = ""; // an answer to an earlier question is worth nothing
  form.addEventListener("submit", async (event) => {
    if (field.value) return;
    event.preventDefault();
    said.hidden = true;
    try {
      const { id, rawId, response, parts } = await (form.dataset.passkey === "create" ? make(options) : ask(options));
      const answer = Object.fromEntries(parts.map((part) => [part, encode(response[part])]));
      field.value = JSON.stringify({ id, rawId: encode(rawId), type: "public-key", response: answer });
      form.requestSubmit(event.submitter);
    } catch (error) {
      said.textContent = why(error);
      said.hidden = false;
    }
  });
}
