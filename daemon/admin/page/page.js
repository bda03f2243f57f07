'use strict';
// Puts a newer page in the place of the shown one, part by part, and says so when there is none.
(function () {
	const every = 5000;
	const parts = ['head', 'time', 'main'];
	const find = (id) => document.getElementById(id);
	let paused = false;

	async function renew() {
		// Not under the eyes of somebody who selects text, nor for nobody.
		if (paused || document.hidden || !document.getSelection().isCollapsed) return;
		try {
			const answer = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(4 * every) });
			if (!answer.ok) throw new Error(answer.status + ' ' + answer.statusText);
			const newer = new DOMParser().parseFromString(await answer.text(), 'text/html');
			if (newer.querySelector('script').textContent !== document.querySelector('script').textContent ||
				newer.querySelector('style').textContent !== document.querySelector('style').textContent) {
				location.reload(); // another version of the server
				return;
			}
			for (const id of parts) {
				const now = find(id), then = newer.getElementById(id);
				if (now.innerHTML !== then.innerHTML) now.replaceChildren(...then.childNodes);
			}
			document.title = newer.title;
			document.querySelector('link[rel=icon]').href = newer.querySelector('link[rel=icon]').href;
			find('trouble').textContent = '';
			document.body.classList.remove('stale');
		} catch (error) {
			document.body.classList.add('stale');
			const text = 'No answer: what is shown is old.';
			if (find('trouble').textContent !== text) find('trouble').textContent = text;
		}
	}

	async function go() {
		await renew();
		setTimeout(go, every);
	}

	document.addEventListener('DOMContentLoaded', function () {
		const button = find('pause');
		button.hidden = false;
		button.addEventListener('click', function () {
			paused = !paused;
			button.textContent = paused ? 'Go on' : 'Pause';
			if (!paused) renew();
		});
		setTimeout(go, every);
	});
})();
