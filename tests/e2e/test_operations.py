"""What is deleted can be forgotten, how long things are kept can be said, and everything taken along."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visits, shoot
from tests.e2e.test_chain import check
from tests.e2e.writing import COPY, begin_paragraph, marker, open_editor, text_of, wait_until_saved

IN_COPIES = """async (word) => {
  let found = 0;
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((done) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => done(opening.result);
    });
    for (const store of db.objectStoreNames) {
      const rows = await new Promise((done) => {
        const asking = db.transaction(store).objectStore(store).getAll();
        asking.onsuccess = () => done(asking.result);
      });
      for (const row of rows) {
        const bytes = row instanceof Uint8Array ? row : row?.update;
        if (bytes instanceof Uint8Array && new TextDecoder().decode(bytes).includes(word)) found += 1;
      }
    }
    db.close();
  }
  return found;
}"""


def test_what_was_deleted_is_forgotten_on_every_open_page(visit: Visits) -> None:
    path = visit.notebook(COPY)
    mara = visit("mara", path)
    gone = marker()
    begin_paragraph(mara, "x")
    mara.keyboard.insert_text(f"{gone} was here")
    wait_until_saved(mara)
    tomas = visit("tomas", path)  # who owns it
    open_editor(tomas)
    assert gone in text_of(tomas)
    assert tomas.evaluate(IN_COPIES, gone)
    mara.keyboard.press("Shift+Home")
    mara.keyboard.press("Backspace")
    wait_until_saved(mara)
    expect(tomas.locator(".ProseMirror")).not_to_contain_text(gone)
    before = text_of(tomas)

    tomas.get_by_label("More", exact=True).click()
    tomas.get_by_role("button", name="Forget what was deleted…").click()
    shoot(tomas, "operations/forget")
    tomas.get_by_role("button", name="Forget it").click()

    expect(tomas.get_by_text("is forgotten")).to_be_visible()
    for page in (tomas, mara):
        page.get_by_role("button", name="Reload").click()  # its copy is wiped by then
        open_editor(page)
        page.wait_for_function(f"async () => !(await ({IN_COPIES})('{gone}'))")
        assert text_of(page).strip() == before.strip()
        assert path in page.url  # its own copy lacked nothing, so no fork was made
    begin_paragraph(mara, "written after it")
    expect(tomas.locator(".ProseMirror")).to_contain_text("written after it")


def test_an_owner_says_how_long_and_takes_everything_along(visit: Visits) -> None:
    jonas = visit("jonas")
    jonas.goto(settings_of(jonas))
    expect(jonas.get_by_label("Notebooks in the trash")).to_have_value("90")
    jonas.get_by_label("Audit log").last.fill("400")
    jonas.get_by_role("button", name="Keep for these days").click()
    expect(jonas.get_by_text("How long things are kept is changed.")).to_be_visible()
    expect(jonas.get_by_label("Audit log").last).to_have_value("400")
    check(jonas, "operations-settings")

    jonas.goto(f"{settings_of(jonas)}exports/")
    check(jonas, "operations-no-exports")
    jonas.get_by_role("button", name="Put an export together").click()
    ready = jonas.get_by_role("link", name="Download").first
    for _ in range(40):
        if ready.is_visible():
            break
        jonas.wait_for_timeout(250)
        jonas.reload()
    expect(ready).to_be_visible()
    check(jonas, "operations-exports")


def settings_of(page: Page) -> str:
    """Return the path of the settings of the organization at hand."""
    return f"/o/{page.url.split('/o/')[1].split('/')[0]}/settings/"
