extension KernelVersion {
  /// Linux 3.15, June 2014: up to 33 pages are flushed page by page.
  package static let v3_15 = v3_14.successor("3.15") {
    $0.locks.mutexSpinning = .queued
    $0.flush.ceiling = 33
  }
}
