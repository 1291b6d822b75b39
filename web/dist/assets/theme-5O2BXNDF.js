"use strict";(()=>{try{let e=localStorage.getItem("waybell.theme");(e==="light"||e==="dark")&&(document.documentElement.dataset.theme=e)}catch{}})();
