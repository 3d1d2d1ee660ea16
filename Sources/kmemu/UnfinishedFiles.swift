import Foundation

/// The temporary names of files that are being written, for a process that ends in a signal's
/// handler, where no object is torn down: a trap, a second Ctrl-C.
///
/// Only the main thread adds and forgets. A handler reads the table between two stores at worst:
/// a name is there whole or not at all.
enum UnfinishedFiles {
  private static let slotCount = 64
  /// C strings that a handler can pass on. Made once, before any handler is there, and never freed.
  nonisolated(unsafe) private static let names = {
    let table = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: slotCount)
    unsafe table.initialize(repeating: nil, count: slotCount)
    return unsafe table
  }()

  /// Makes the table, which a handler may not.
  static func arm() { unsafe _ = names }

  /// Returns: its place, or nil where there is no room: then only a signal leaves it behind.
  static func add(_ path: String) -> Int? {
    for slot in 0..<slotCount where unsafe names[slot] == nil {
      unsafe names[slot] = strdup(path)
      return slot
    }
    return nil
  }

  /// The file has its own name now, or is gone.
  static func forget(_ slot: Int?) {
    guard let slot else { return }
    let name = unsafe names[slot]
    unsafe names[slot] = nil
    unsafe free(name)
  }

  /// Removes them all. Does only what a handler may.
  static func remove() {
    for slot in 0..<slotCount {
      if let name = unsafe names[slot] { _ = unsafe unlink(name) }
    }
  }
}
