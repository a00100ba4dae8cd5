//! What the tests of the window need: a screen without a monitor, a person's hands on it, another program that drops
//! files and reads the clipboard, and the window's own record of what it did.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::{Cell, Ref, RefCell};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::RgbImage;
use serde_json::Value;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, InputFocus,
    MapState, PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;
use x11rb::{CURRENT_TIME, NONE};

/// How long a test waits for anything: a test that sees nothing by then has failed.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it looks.
const NAP: Duration = Duration::from_millis(20);
/// After a complete picture without another for so long, none is to come.
const REST: Duration = Duration::from_millis(150);
/// A notice of the window is over the picture for four seconds.
const NOTICE: Duration = Duration::from_millis(4300);

/// A child process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

x11rb::atom_manager! {
    /// Names that X gives numbers.
    Names: NamesCookie {
        CLIPBOARD,
        UTF8_STRING,
        HYPERSINE_TEST,
        TEXT_URI_LIST: b"text/uri-list",
        XdndEnter,
        XdndPosition,
        XdndStatus,
        XdndDrop,
        XdndFinished,
        XdndSelection,
        XdndActionCopy,
    }
}

/// A screen of 1024x768 pixels, and a client of its server.
pub(crate) struct Screen {
    display: String,
    x: RustConnection,
    names: Names,
    root: u32,
    /// A window of the client's own: selections belong to windows.
    own: u32,
    _server: Running,
}

impl Screen {
    pub(crate) fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is needed: scripts/test.sh installs it");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        let display = format!(":{}", number.trim());
        let server = Running(server);
        let (x, screen) = RustConnection::connect(Some(&display)).unwrap();
        let names = Names::new(&x).unwrap().reply().unwrap();
        let root = x.setup().roots[screen].root;
        let own = x.generate_id().unwrap();
        let (class, nothing) = (WindowClass::INPUT_ONLY, CreateWindowAux::new());
        x.create_window(0, own, root, 0, 0, 1, 1, 0, class, NONE, &nothing).unwrap();
        Self { display, x, names, root, own, _server: server }
    }

    /// A program with this screen.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.display).env_remove("WAYLAND_DISPLAY");
        // Chromium's SwiftShader, which the numerics tests add, says it can present but leaves the window black.
        command.env_remove("VK_ADD_DRIVER_FILES");
        command
    }

    /// Moves the mouse and presses keys, in xdotool's words.
    pub(crate) fn hand(&self, words: &str) {
        let status = self.command("xdotool").args(words.split_whitespace()).stdout(Stdio::null()).status();
        assert!(status.expect("xdotool is needed: scripts/test.sh installs it").success(), "xdotool {words}");
    }

    /// What is on the screen from its top left corner on.
    pub(crate) fn photograph(&self, [width, height]: [u32; 2]) -> RgbImage {
        let whole = |side: u32| u16::try_from(side).unwrap();
        let cookie = self.x.get_image(ImageFormat::Z_PIXMAP, self.root, 0, 0, whole(width), whole(height), u32::MAX);
        // Blue, green, red, nothing.
        let pixels = cookie.unwrap().reply().unwrap().data.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]]).collect();
        RgbImage::from_raw(width, height, pixels).unwrap()
    }

    /// The program's window, once it is on the screen, and its size.
    fn window(&self) -> Option<(u32, [u32; 2])> {
        let windows = self.x.query_tree(self.root).unwrap().reply().unwrap().children;
        // A window may be gone before the next question about it.
        windows.into_iter().find_map(|window| {
            let name = self.x.get_property(false, window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 100).unwrap();
            let shown = self.x.get_window_attributes(window).unwrap().reply().ok()?.map_state == MapState::VIEWABLE;
            let ours = String::from_utf8_lossy(&name.reply().ok()?.value).contains("Hypersine");
            let at = self.x.get_geometry(window).unwrap().reply().ok()?;
            (shown && ours).then_some((window, [at.width.into(), at.height.into()]))
        })
    }

    /// Takes the clipboard away from whoever has it, so that what is in it next is new.
    fn claim_clipboard(&self) {
        self.x.set_selection_owner(self.own, self.names.CLIPBOARD, CURRENT_TIME).unwrap();
        self.x.sync().unwrap();
    }

    /// The text in the clipboard; None while it is this client's, or nobody's.
    fn clipboard(&self) -> Option<String> {
        let Names { CLIPBOARD: clipboard, UTF8_STRING: text, HYPERSINE_TEST: here, .. } = self.names;
        let owner = self.x.get_selection_owner(clipboard).unwrap().reply().unwrap().owner;
        if owner == self.own || owner == NONE {
            return None;
        }
        self.x.convert_selection(self.own, clipboard, text, here, CURRENT_TIME).unwrap();
        self.event("the clipboard's owner to answer", |event| {
            matches!(event, Event::SelectionNotify(e) if e.property == here).then_some(())
        });
        let value = self.x.get_property(true, self.own, here, text, 0, 1 << 20).unwrap().reply().unwrap().value;
        Some(String::from_utf8(value).unwrap())
    }

    /// Waits for an event that `of` makes something of.
    fn event<T>(&self, what: &str, mut of: impl FnMut(&Event) -> Option<T>) -> T {
        self.x.flush().unwrap();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            match self.x.poll_for_event().unwrap().map(|event| of(&event)) {
                Some(Some(found)) => return found,
                Some(None) => {}
                None => std::thread::sleep(NAP),
            }
        }
        panic!("waited in vain for {what}");
    }

    fn tell(&self, window: u32, message: Atom, data: [u32; 5]) {
        let event = ClientMessageEvent::new(32, window, message, data);
        self.x.send_event(false, window, EventMask::NO_EVENT, event).unwrap();
    }

    /// Drops a file on a window, as a file manager does: the XDND protocol.
    fn drop_on(&self, window: u32, file: &Path) {
        let names = &self.names;
        let uri = format!("file://{}\r\n", file.display());
        self.x.set_selection_owner(self.own, names.XdndSelection, CURRENT_TIME).unwrap();
        self.tell(window, names.XdndEnter, [self.own, 5 << 24, names.TEXT_URI_LIST, NONE, NONE]);
        let place = 100 << 16 | 100;
        self.tell(window, names.XdndPosition, [self.own, 0, place, CURRENT_TIME, names.XdndActionCopy]);
        let (mut accepted, mut served) = (false, false);
        self.event("the window to take the file", |event| {
            match event {
                Event::ClientMessage(e) if e.type_ == names.XdndStatus => {
                    accepted = e.data.as_data32()[1] & 1 == 1;
                    assert!(accepted, "the window refuses a file");
                }
                Event::SelectionRequest(e) if e.selection == names.XdndSelection => {
                    self.serve(e, &uri);
                    served = true;
                }
                _ => {}
            }
            (accepted && served).then_some(())
        });
        self.tell(window, names.XdndDrop, [self.own, 0, CURRENT_TIME, 0, 0]);
        self.event("the window to be done with the drop", |event| {
            matches!(event, Event::ClientMessage(e) if e.type_ == names.XdndFinished).then_some(())
        });
    }

    fn serve(&self, request: &SelectionRequestEvent, text: &str) {
        let &SelectionRequestEvent { requestor, selection, target, property, time, .. } = request;
        self.x.change_property8(PropMode::REPLACE, requestor, property, target, text.as_bytes()).unwrap();
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time,
            requestor,
            selection,
            target,
            property,
        };
        self.x.send_event(false, requestor, EventMask::NO_EVENT, answer).unwrap();
        self.x.flush().unwrap();
    }
}

/// What `view --trace` has written so far.
struct Trace {
    file: BufReader<File>,
    /// The beginning of a line.
    begun: String,
    lines: Vec<Value>,
}

impl Trace {
    fn read(&mut self) {
        while self.file.read_line(&mut self.begun).unwrap() > 0 && self.begun.ends_with('\n') {
            self.lines.push(serde_json::from_str(&self.begun).unwrap());
            self.begun.clear();
        }
    }
}

/// The program's open window.
pub(crate) struct Viewer<'s> {
    screen: &'s Screen,
    process: RefCell<Running>,
    trace: RefCell<Trace>,
    errors: PathBuf,
    id: u32,
    /// When a notice was last put over the picture.
    noticed: Cell<Option<Instant>>,
}

impl<'s> Viewer<'s> {
    /// Opens `view ARGUMENTS`; it works in `folder`, and remembers there.
    pub(crate) fn open(screen: &'s Screen, folder: &Path, arguments: &[&str]) -> Self {
        let (trace, errors) = (folder.join("trace.jsonl"), folder.join("errors.txt"));
        File::create(&trace).unwrap();
        let process = screen
            .command(env!("CARGO_BIN_EXE_hypersine"))
            .arg("view")
            .args(arguments)
            .arg("--trace")
            .arg(&trace)
            .env("XDG_STATE_HOME", folder.join("state"))
            .current_dir(folder)
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let trace = Trace { file: BufReader::new(File::open(trace).unwrap()), begun: String::new(), lines: Vec::new() };
        let (process, trace) = (RefCell::new(Running(process)), RefCell::new(trace));
        let mut viewer = Self { screen, process, trace, errors, id: 0, noticed: Cell::new(None) };
        viewer.id = viewer.wait("the window", || screen.window()).0;
        // Without a window manager nobody gives the window the focus.
        screen.x.set_input_focus(InputFocus::PARENT, viewer.id, CURRENT_TIME).unwrap();
        screen.x.flush().unwrap();
        viewer
    }

    /// Waits until `good` gives something, while the program lives.
    pub(crate) fn wait<T>(&self, what: &str, mut good: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = good() {
                return found;
            }
            self.assert_alive();
            if started.elapsed() > PATIENCE {
                self.snapshot("waited-in-vain");
                let lines = self.lines();
                let last = &lines[lines.len().saturating_sub(8)..];
                panic!("waited in vain for {what}; {}; the end of its trace: {last:#?}", self.errors());
            }
            std::thread::sleep(NAP);
        }
    }

    /// What the program has complained of.
    pub(crate) fn errors(&self) -> String {
        let mut text = String::new();
        File::open(&self.errors).unwrap().read_to_string(&mut text).unwrap();
        format!("its stderr: {text:?}")
    }

    pub(crate) fn assert_alive(&self) {
        let ended = self.process.borrow_mut().0.try_wait().unwrap();
        assert!(ended.is_none(), "the program has ended: {ended:?}; {}", self.errors());
    }

    /// Waits until the program has ended, as one that was asked to.
    pub(crate) fn ends(&self) {
        let started = Instant::now();
        let status = loop {
            match self.process.borrow_mut().0.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(started.elapsed() < PATIENCE, "the program does not end"),
            }
            std::thread::sleep(NAP);
        };
        assert!(status.success(), "{status}; {}", self.errors());
    }

    /// Every line of the trace so far.
    pub(crate) fn lines(&self) -> Ref<'_, Vec<Value>> {
        self.trace.borrow_mut().read();
        Ref::map(self.trace.borrow(), |t| &t.lines)
    }

    /// One field of all lines from `from` on that have it.
    pub(crate) fn numbers(&self, from: usize, field: &str) -> Vec<f64> {
        self.lines()[from..].iter().filter_map(|line| line[field].as_f64()).collect()
    }

    pub(crate) fn hand(&self, words: &str) {
        self.screen.hand(words);
    }

    /// Does what changes the picture, and waits until the new one is complete.
    pub(crate) fn change(&self, words: &str) {
        let before = self.lines().len();
        self.hand(words);
        self.settled(before);
    }

    /// Waits until there is a complete picture that the trace tells of after `from` lines, and none on its way.
    pub(crate) fn settled(&self, from: usize) {
        let mut rest = (0, Instant::now());
        self.wait("a complete picture", || {
            let lines = self.lines();
            let pictures: Vec<&Value> = lines[from..].iter().filter(|line| line["picture"].is_array()).collect();
            if rest.0 != pictures.len() {
                rest = (pictures.len(), Instant::now());
            }
            let complete = pictures.last().is_some_and(|line| line["last"] == true);
            // It must have been shown, too.
            let shown = lines.last().is_some_and(|line| line["frame"].is_u64());
            (complete && shown && rest.1.elapsed() >= REST).then_some(())
        });
    }

    pub(crate) fn size(&self) -> [u32; 2] {
        let geometry = self.wait("the window", || self.screen.x.get_geometry(self.id).unwrap().reply().ok());
        [geometry.width.into(), geometry.height.into()]
    }

    /// In xdotool's words.
    pub(crate) fn resizing(&self, [width, height]: [u32; 2]) -> String {
        format!("windowsize {} {width} {height}", self.id)
    }

    /// A photograph of the window, kept under that name, without a notice over the picture.
    pub(crate) fn photograph(&self, name: &str) -> RgbImage {
        if let Some(at) = self.noticed.take() {
            std::thread::sleep(NOTICE.saturating_sub(at.elapsed()));
        }
        self.snapshot(name)
    }

    /// A photograph of the window as it is, kept under that name.
    pub(crate) fn snapshot(&self, name: &str) -> RgbImage {
        let photograph = self.screen.photograph(self.size());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        photograph.save(folder.join(format!("{name}.png"))).unwrap();
        photograph
    }

    /// The command that the window puts into the clipboard for the picture it shows.
    pub(crate) fn command(&self) -> String {
        self.screen.claim_clipboard();
        self.hand("key ctrl+shift+c");
        let command = self.wait("a command in the clipboard", || self.screen.clipboard());
        self.noticed();
        command
    }

    /// A notice is over the picture now.
    pub(crate) fn noticed(&self) {
        self.noticed.set(Some(Instant::now()));
    }

    pub(crate) fn drop_file(&self, file: &Path) {
        self.screen.drop_on(self.id, file);
    }

    /// Memory that the program has in use, in kB.
    pub(crate) fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.borrow().0.id());
        let text = std::fs::read_to_string(status).unwrap();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}
