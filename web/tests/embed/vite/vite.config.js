export default {
  // Relative addresses, so that the app works in any folder.
  base: "./",
  // The app waits at its top level.
  build: { target: "es2022" },
};
