/**
 * Say in words why a passkey did not work.
 *
 * allauth's script asks the browser for the credential and, when that fails, fires "allauth.error" and writes
 * to the console only. The words stand in #passkey-words, translated by the server.
 */
import { toast } from "../core/toasts.js";

const WORDS = {
  NotAllowedError: "cancelled",
  AbortError: "cancelled",
  InvalidStateError: "known",
  SecurityError: "address",
  NotSupportedError: "unsupported",
  TypeError: "unsupported",
};

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const { exception } = event.detail;
  const words = document.getElementById("passkey-words").dataset;
  const name = window.PublicKeyCredential ? (WORDS[exception.name] ?? "failed") : "unsupported";
  toast(words[name], name === "cancelled" ? "warning" : "error");
});
