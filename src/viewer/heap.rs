//! Freed memory goes back to the system: a window lives for hours, and shows large pictures now and then.
//!
//! glibc maps large blocks one by one, so that freed ones are gone; but with each one that is freed it raises the size from which
//! they are large, up to 32 MiB, and then keeps on every thread what the largest picture there needed. Smaller ones it keeps
//! between others that are still in use. Elsewhere nothing need be done.

/// Fixes the size from which blocks are large.
pub(super) fn fix_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a setting of the C library")]
        // SAFETY: mallopt takes any two numbers, and holds the allocator's own lock.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        }
    }
}

/// Gives pages back in which nothing is in use; takes milliseconds, so it is for threads that are done with a large piece of work.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a call of the C library")]
        // SAFETY: malloc_trim holds the allocator's own locks, and touches no memory that is in use.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
