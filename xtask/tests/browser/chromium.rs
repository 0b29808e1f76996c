//! A page in headless Chromium, with a real pointer and real keys: the DevTools protocol, as JSON
//! between NULs, over two pipes.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long an answer may take, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// A browser with one page. It ends with its value.
pub(crate) struct Page {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    dir: PathBuf,
    session: Option<String>,
    asked: u64,
    /// What the browser has told without having been asked.
    told: Vec<Value>,
}

impl Page {
    /// Starts a browser and opens a page that has this HTML, from a file.
    pub(crate) fn open(html: &[u8]) -> Self {
        static PAGES: AtomicUsize = AtomicUsize::new(0);
        let number = PAGES.fetch_add(1, Ordering::Relaxed);
        let name = format!("browser-{}-{number}", std::process::id());
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("report.html"), html).unwrap();
        // Chromium wants the pipes as its files 3 and 4. Its sandbox needs rights that not every
        // machine gives; the page is our own.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 >&2", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", dir.join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            loop {
                let mut answer = Vec::new();
                output.read_until(0, &mut answer).unwrap();
                if answer.pop() != Some(0)
                    || sender.send(serde_json::from_slice(&answer).unwrap()).is_err()
                {
                    break;
                }
            }
        });
        let (session, asked, told) = (None, 0, Vec::new());
        let mut page = Self { child, requests, answers, dir, session, asked, told };
        let target = page.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = page.call("Target.attachToTarget", &attach);
        page.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Runtime", "Log", "Page"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.call("Page.setLifecycleEventsEnabled", &json!({ "enabled": true }));
        page.resize(1280);
        page.go("");
        page
    }

    /// Loads the page anew.
    pub(crate) fn go(&mut self, fragment: &str) {
        // From the page to a fragment of itself nothing would be loaded.
        self.load("about:blank");
        let file = self.dir.join("report.html");
        self.load(&format!("file://{}{fragment}", file.display()));
    }

    fn load(&mut self, url: &str) {
        let begun = self.call("Page.navigate", &json!({ "url": url }));
        let is_loaded = |told: &Value| {
            let event = &told["params"];
            told["method"] == "Page.lifecycleEvent"
                && event["name"] == "load"
                && event["loaderId"] == begun["loaderId"]
        };
        while !self.told.iter().any(is_loaded) {
            let told = self.next();
            self.told.push(told);
        }
    }

    /// What an expression is.
    #[track_caller]
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let request = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &request);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Moves the pointer over an element, and clicks there if it is to.
    #[track_caller]
    pub(crate) fn point(&mut self, selector: &str, click: bool) {
        let place = self.value(&format!(
            "(() => {{ const node = document.querySelector('{selector}'); \
             node.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const box = node.getBoundingClientRect(); \
             return [box.left + box.width / 2, box.top + box.height / 2]; }})()"
        ));
        let mut mouse = |kind: &str, button: &str, clicks: u8| {
            let (x, y) = (&place[0], &place[1]);
            let event =
                json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks });
            self.call("Input.dispatchMouseEvent", &event);
        };
        mouse("mouseMoved", "none", 0);
        if click {
            mouse("mousePressed", "left", 1);
            mouse("mouseReleased", "left", 1);
        }
    }

    /// Gives the page another screen; at first it has a wide one.
    pub(crate) fn resize(&mut self, width: u16) {
        let screen =
            json!({ "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &screen);
    }

    /// Presses a key, called as in `KeyboardEvent.key`.
    pub(crate) fn press(&mut self, key: &str) {
        // Only these have an effect by their number.
        let (number, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            _ => (0, ""),
        };
        let down = json!({ "type": "keyDown", "key": key, "code": key,
            "windowsVirtualKeyCode": number, "text": text });
        self.call("Input.dispatchKeyEvent", &down);
        let up =
            json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": number });
        self.call("Input.dispatchKeyEvent", &up);
    }

    /// Sends a command and waits for its answer.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut request = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).unwrap();
        loop {
            let answer = self.next();
            if answer["id"] == json!(self.asked) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.told.push(answer);
        }
    }

    /// What went wrong in the page: exceptions, refused loads, whatever was written to its console,
    /// and whether it has opened a dialog.
    pub(crate) fn complaints(&mut self) -> Vec<Value> {
        let wrong = [
            "Runtime.exceptionThrown",
            "Runtime.consoleAPICalled",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        ];
        let is_wrong = |told: &&Value| wrong.iter().any(|method| told["method"] == **method);
        self.told.iter().filter(is_wrong).cloned().collect()
    }

    fn next(&mut self) -> Value {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
