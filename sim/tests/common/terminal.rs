//! A terminal that a program can run on: a real one as far as the program can tell, and what
//! it writes becomes a screen that can be looked at.

#![allow(dead_code, reason = "each user has its own part")]

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::Read as _,
    num::NonZeroU16,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use vt100::{Color, Parser, Screen};

/// A terminal with a program on it, which is killed when this is dropped.
pub(crate) struct Terminal {
    pub(crate) program: Child,
    /// The other end, at which a person would sit.
    device: File,
    parser: Arc<Mutex<Parser>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts a program on a new terminal of that many columns and rows.
    pub(crate) fn start(mut command: Command, width: u16, height: u16) -> Self {
        let device =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&device).unwrap();
        unlockpt(&device).unwrap();
        let name = ptsname(&device, Vec::new()).unwrap();
        let end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(OsStr::from_bytes(name.as_bytes()))
            .unwrap();
        tcsetwinsize(&device, winsize(width, height)).unwrap();
        command.stdin(end.try_clone().unwrap());
        command.stdout(end.try_clone().unwrap()).stderr(end);
        let program = command.spawn().unwrap();
        // It keeps the program's end of the terminal open.
        drop(command);

        let device = File::from(device);
        let (rows, columns) = size(width, height);
        let parser = Arc::new(Mutex::new(Parser::new(rows, columns, 0)));
        let reader = thread::spawn({
            let (mut device, parser) = (device.try_clone().unwrap(), Arc::clone(&parser));
            move || {
                let mut bytes = [0; 4096];
                // Reading fails once nobody has the other end open.
                while let Ok(count @ 1..) = device.read(&mut bytes) {
                    parser.lock().unwrap().process(&bytes[..count]);
                }
            }
        });
        Self {
            program,
            device,
            parser,
            reader: Some(reader),
        }
    }

    /// What it shows now.
    pub(crate) fn screen(&self) -> Screen {
        self.parser.lock().unwrap().screen().clone()
    }

    /// What it shows after the program's last word. Waits for the program.
    pub(crate) fn last_screen(&mut self) -> Screen {
        self.program.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.screen()
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, width: u16, height: u16) {
        let (rows, columns) = size(width, height);
        let mut parser = self.parser.lock().unwrap();
        parser.set_size(rows, columns);
        tcsetwinsize(&self.device, winsize(width, height)).unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// How many characters have a colour.
pub(crate) fn colours(screen: &Screen) -> usize {
    let (rows, columns) = screen.size();
    let cells = (0..rows.get()).flat_map(|row| {
        let cells = (0..columns.get()).filter_map(move |column| screen.cell(row, column));
        cells.filter(|cell| cell.fgcolor() != Color::Default)
    });
    cells.count()
}

fn size(width: u16, height: u16) -> (NonZeroU16, NonZeroU16) {
    (height.try_into().unwrap(), width.try_into().unwrap())
}

fn winsize(width: u16, height: u16) -> Winsize {
    Winsize {
        ws_col: width,
        ws_row: height,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
