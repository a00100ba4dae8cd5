//! The `hypersine` program.

mod cli;

fn main() -> std::process::ExitCode {
    quiet_mesa();
    cli::main()
}

/// Mesa's device-select layer asks Wayland for the user's favourite GPU and complains on stderr where
/// there is no session at all (a container, a server): there it is told not to ask.
fn quiet_mesa() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        #[expect(unsafe_code, reason = "the only way to set a variable that a Vulkan layer reads")]
        // SAFETY: nothing else runs yet: this is the first call of main, before any thread is started.
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}
