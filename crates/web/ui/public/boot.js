// Sets the colour scheme and the language before the first paint. An external file, because the content security
// policy allows no inline script. The keys are those of Mantine's colour scheme manager and of src/i18n.tsx.
(function () {
  var root = document.documentElement;
  var scheme = null;
  var language = null;
  try {
    scheme = localStorage.getItem('mantine-color-scheme-value');
    language = localStorage.getItem('heartline-language');
  } catch (_) {
    // Storage is off: the system's scheme and the browser's language are used.
  }
  if (scheme !== 'light' && scheme !== 'dark') {
    scheme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  }
  root.setAttribute('data-mantine-color-scheme', scheme);
  language = new URLSearchParams(location.search).get('lang') || language || navigator.language;
  root.lang = /^zh/i.test(language) ? 'zh-CN' : 'en';
})();
