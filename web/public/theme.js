// Runs before the first paint, so that nobody in a dark room meets a white flash.
(function () {
  var choice = "system";
  try {
    choice = localStorage.getItem("fireside.theme") || "system";
  } catch (_) {
    /* storage can be forbidden: the system's theme it is */
  }
  var dark = choice === "dark" || (choice === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
