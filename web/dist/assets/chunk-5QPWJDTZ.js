function o(e,t){let r=t.toLowerCase();return Object.entries(e).find(([n])=>n.toLowerCase()===r)?.[1]}var a=e=>Object.entries(e).map(([t,r])=>`${t}: ${r}`).join(`
`);export{o as a,a as b};
