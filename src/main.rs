//! Sets the C library's allocator up, runs [`ark::cli::main`] and ends the process with the exit
//! code that it returns.

use std::process::ExitCode;

/// Allocations of this many bytes and more are taken from the system one by one, and returned to it
/// at once when they are freed.
#[cfg(target_env = "gnu")]
const ALONE: i32 = 256 << 10;

fn main() -> ExitCode {
    keep_large_pieces_apart();
    ark::cli::main()
}

/// Keeps large allocations out of the heaps of the C library; call this before there is a second
/// thread.
///
/// Without this, the library raises the bound to the size of the first large allocation that is
/// freed. From then on pages of lists and parts of uploads lie between small allocations that live
/// longer, and a backup of 50,000 objects holds a quarter more memory than it uses
/// (benches/bench/README.md).
fn keep_large_pieces_apart() {
    #[cfg(target_env = "gnu")]
    #[expect(
        unsafe_code,
        reason = "nothing else sets this, but an environment that is read before the program runs"
    )]
    // SAFETY: the function takes two numbers and decides where later allocations come from; no
    // other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE);
    }
}
