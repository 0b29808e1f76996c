// report.html: which packet's bytes are shown. Everything is in the page already, and without this
// script a row is a link to its packet. With it a row shows its packet when the pointer is over it
// or it has the focus; the arrow keys, Home and End move the focus; Enter goes to the bytes, and
// Escape back to the row.
'use strict';

const ladder = document.querySelector('.rows');
const rows = [...document.querySelectorAll('.row')];
const packetOf = (row) => document.getElementById(row.hash.slice(1));
const rowOf = (node) => (node instanceof Element ? node.closest('.row') : null);

let shown = null;

function show(row) {
  if (row === null || row === shown) return;
  if (shown !== null) {
    shown.removeAttribute('aria-current');
    packetOf(shown).classList.remove('shown');
  }
  shown = row;
  shown.setAttribute('aria-current', 'true');
  packetOf(shown).classList.add('shown');
  document.querySelector('.panel').scrollTop = 0;
}

function step(row, key) {
  const at = rows.indexOf(row);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[key];
  return rows[next];
}

if (rows.length > 0) {
  document.documentElement.classList.add('scripted');
  show(rows.find((row) => row.hash === location.hash) ?? rows[0]);

  ladder.addEventListener('mouseover', (event) => show(rowOf(event.target)));
  ladder.addEventListener('focusin', (event) => show(rowOf(event.target)));
  // What was clicked stays, whichever rows the pointer crosses on its way to the bytes.
  ladder.addEventListener('mouseleave', () => show(rowOf(document.activeElement)));

  ladder.addEventListener('click', (event) => {
    const row = rowOf(event.target);
    if (row === null) return;
    event.preventDefault();
    show(row);
    // A click that no pointer made is the Enter key.
    (event.detail === 0 ? packetOf(row) : row).focus({ preventScroll: true });
  });

  document.addEventListener('keydown', (event) => {
    const row = rowOf(event.target);
    const next = row === null ? undefined : step(row, event.key);
    if (next !== undefined) {
      event.preventDefault();
      next.focus();
    }
    if (event.key === 'Escape') shown.focus();
  });

  document.querySelectorAll('.back').forEach((link) => {
    link.addEventListener('click', (event) => {
      event.preventDefault();
      shown.focus();
    });
  });
}
