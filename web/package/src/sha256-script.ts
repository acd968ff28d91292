// SHA-256 in JavaScript, loaded only where the browser's own is missing. The build puts the
// library into this file, so that the package has no dependencies.

export { sha256 } from "@noble/hashes/sha2.js";
