// Buttons that a head-worn display hears. RealWear's newer releases read `title`, older ones
// data-wml-speech-command; on a phone the same button is tapped.

const HINTS = "hf_use_description|hf_no_number|hf_show_text|hf_persists";

// What is said stands on the button, in capitals.
export function speak(button, words) {
  const said = words.toLocaleUpperCase();
  button.textContent = words;
  button.title = `${HINTS}|${said}`;
  button.setAttribute("data-wml-speech-command", said);
  button.setAttribute("aria-label", words);
}

// The headset's own scanner fills this field with what stands in the code it is held to.
export function scans(input, words) {
  const said = words.toLocaleUpperCase();
  input.title = `hf_text_barcode:qr|hf_no_number|hf_show_text|${said}`;
  input.setAttribute("data-wml-speech-command", said);
  input.setAttribute("aria-label", words);
  input.placeholder = words;
}
