//! The page in a browser: that it draws itself without errors, and that cells, subsets and links
//! lead to the cases.

use std::{
    env, fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use headless_chrome::{
    Browser, LaunchOptions, Tab,
    protocol::cdp::{Emulation, Page, types::Event},
};

use super::write;
use crate::report::{document::Document, sample};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A page that is open in a browser.
struct Opened {
    tab: Arc<Tab>,
    url: String,
    complaints: Arc<Mutex<Vec<String>>>,
    _browser: Browser,
    _dir: tempfile::TempDir,
}

impl Opened {
    fn new(document: &Document) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.html");
        write(document, &mut fs::File::create(&path).unwrap()).unwrap();
        let options = LaunchOptions {
            // Nothing but our own page is opened, and containers have no means for a sandbox.
            sandbox: false,
            idle_browser_timeout: PATIENCE,
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).unwrap();
        let tab = browser.new_tab().unwrap();
        tab.set_default_timeout(PATIENCE);
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let listener = move |event: &Event| {
            let complaint = match event {
                Event::RuntimeExceptionThrown(thrown) => format!("{thrown:?}"),
                Event::RuntimeConsoleAPICalled(called) => format!("{called:?}"),
                Event::LogEntryAdded(added) => format!("{added:?}"),
                _ => return,
            };
            heard.lock().unwrap().push(complaint);
        };
        tab.add_event_listener(Arc::new(listener)).unwrap();
        tab.enable_runtime().unwrap();
        tab.enable_log().unwrap();
        let url = format!("file://{}", path.display());
        let opened = Self {
            tab,
            url,
            complaints,
            _browser: browser,
            _dir: dir,
        };
        opened.look_at(1280, 900, "light");
        opened.go("");
        opened
    }

    /// Opens the page anew, at what the address says behind its #.
    fn go(&self, hash: &str) {
        self.tab.navigate_to("about:blank").unwrap();
        self.tab.wait_until_navigated().unwrap();
        let url = format!("{}#{hash}", self.url);
        self.tab.navigate_to(&url).unwrap();
        self.tab.wait_until_navigated().unwrap();
        self.tab.wait_for_element("#matrix td button").unwrap();
    }

    fn look_at(&self, width: u32, height: u32, scheme: &str) {
        let metrics = Emulation::SetDeviceMetricsOverride {
            width,
            height,
            device_scale_factor: 1.0,
            mobile: width < 600,
            scale: None,
            screen_width: None,
            screen_height: None,
            position_x: None,
            position_y: None,
            dont_set_visible_size: None,
            screen_orientation: None,
            viewport: None,
            display_feature: None,
            device_posture: None,
        };
        self.tab.call_method(metrics).unwrap();
        let media = Emulation::SetEmulatedMedia {
            media: None,
            features: Some(vec![Emulation::MediaFeature {
                name: "prefers-color-scheme".to_owned(),
                value: scheme.to_owned(),
            }]),
        };
        self.tab.call_method(media).unwrap();
    }

    fn click(&self, selector: &str) {
        let element = self.tab.wait_for_element(selector).unwrap();
        element.scroll_into_view().unwrap();
        element.click().unwrap();
    }

    /// The text of the drawer, once it is open.
    fn drawer(&self) -> String {
        let drawer = self.tab.wait_for_element("dialog[open]").unwrap();
        drawer.get_inner_text().unwrap()
    }

    fn value(&self, expression: &str) -> serde_json::Value {
        let object = self.tab.evaluate(expression, false).unwrap();
        object.value.unwrap_or_default()
    }

    /// Keeps a picture for people, where they want one.
    fn picture(&self, name: &str) {
        if let Some(dir) = env::var_os("RKT_SCREENSHOT_DIR") {
            let format = Page::CaptureScreenshotFormatOption::Png;
            let png = self.tab.capture_screenshot(format, None, None, true);
            fs::write(Path::new(&dir).join(name), png.unwrap()).unwrap();
        }
    }

    fn no_complaints(&self) {
        let complaints = self.complaints.lock().unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}

#[test]
#[ignore = "needs chromium"]
fn cells_and_subsets_lead_to_their_cases() {
    let page = Opened::new(&sample::document());

    page.click("[data-cell='ListPods/P-16']");
    let drawer = page.drawer();
    for part in [
        "ListPods sorts pods",
        "[b1d4, a0c3] in order",
        "ListPods/P-16/sorted",
    ] {
        assert!(drawer.contains(part), "{part}: {drawer}");
    }
    assert_eq!(page.value("location.hash"), "#cell=ListPods/P-16");
    page.click("#close");
    page.tab.wait_for_element("dialog:not([open])").unwrap();
    assert_eq!(page.value("location.hash"), "");

    page.click("[data-subset='F-P9/ids+states']");
    let drawer = page.drawer();
    // What a server answered is text, whatever it looks like.
    assert!(drawer.contains("1, with [</script><b>&amp;]"), "{drawer}");
    assert!(drawer.contains("ListPods/F-P9/ids+states/hit"), "{drawer}");

    page.go("case=InspectImage/IM-4/docker");
    let drawer = page.drawer();
    assert!(drawer.contains("a bug"), "{drawer}");

    assert_eq!(
        page.value("performance.getEntriesByType('resource').length"),
        0
    );
    page.no_complaints();
}

#[test]
#[ignore = "needs chromium"]
fn a_large_run_fits_wide_and_narrow_windows() {
    let page = Opened::new(&sample::large_document());
    let subsets = page.value("document.querySelectorAll('[data-subset]').length");
    assert!(subsets.as_u64() >= Some(256 + 512), "{subsets}");
    for (width, height) in [(1280, 900), (400, 800)] {
        for scheme in ["light", "dark"] {
            page.look_at(width, height, scheme);
            page.go("");
            let overflow = page.value("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_i64() <= Some(0), "{width}: {overflow}");
            page.picture(&format!("page-{width}-{scheme}.png"));
            page.tab
                .evaluate(
                    "document.getElementById('lattices').scrollIntoView()",
                    false,
                )
                .unwrap();
            page.picture(&format!("lattices-{width}-{scheme}.png"));
            page.go("cell=ListImages/F-I7");
            assert!(page.drawer().contains("ListImages/F-I7/"));
            page.picture(&format!("drawer-{width}-{scheme}.png"));
        }
    }
    page.no_complaints();
}
