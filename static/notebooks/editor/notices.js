/** Calm bars above the text. Their words and buttons are in the page, each in a <template data-notice="name">. */
export class Notices {
  constructor(dom) {
    this.dom = dom;
  }

  #find(name) {
    return this.dom.querySelector(`.notice[data-name="${name}"]`);
  }

  show(name, { url } = {}) {
    if (this.#find(name)) return;
    const template = document.querySelector(`template[data-notice="${name}"]`);
    const notice = template.content.firstElementChild.cloneNode(true);
    notice.dataset.name = name;
    if (url) notice.querySelector("[data-url]").href = url;
    this.dom.append(notice);
  }

  hide(name) {
    this.#find(name)?.remove();
  }

  toggle(name, shown) {
    if (shown) this.show(name);
    else this.hide(name);
  }
}
