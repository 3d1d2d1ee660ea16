import Foundation

/// A file that appears whole or not at all: written beside its place, then renamed.
///
/// Invariant: until `commit`, the file's own name is untouched; after a failure, nothing is left.
final class OutputFile {
  let path: String
  private let temporary: String
  private let handle: FileHandle
  private var isOpen = true

  /// - Throws: an exit with status 74, after saying why.
  init(_ path: String) throws {
    self.path = path
    // A link is followed, so that it stays one.
    let place = URL(filePath: path).resolvingSymlinksInPath().path
    let found = try? FileManager.default.attributesOfItem(atPath: place)
    switch found?[.type] as? FileAttributeType {
    case nil, .typeRegular: break
    case .typeDirectory: throw Self.failure(path, "it is a directory")
    default: throw Self.failure(path, "it is not a regular file")
    }
    destination = place
    temporary = "\(place).\(ProcessInfo.processInfo.processIdentifier).part"
    // A file of that name can only be left over from a process of the same number that was killed.
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC
    let descriptor = unsafe open(temporary, flags, 0o666)
    guard descriptor >= 0 else { throw Self.failure(path, Self.lastError()) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    self.place = UnfinishedFiles.add(temporary)
  }
  private let destination: String
  private let place: Int?

  /// - Throws: an exit with status 74, after saying why.
  func write(_ bytes: Data) throws {
    do { try handle.write(contentsOf: bytes) } catch {
      throw Self.failure(path, Console.reason(error))
    }
  }

  /// Writes bytes that are lent for the call.
  ///
  /// - Throws: an exit with status 74, after saying why.
  func write(_ bytes: Span<UInt8>) throws {
    try unsafe bytes.withUnsafeBufferPointer { all in
      var done = 0
      while done < all.count {
        let part = unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[done...])
        let count = unsafe Foundation.write(handle.fileDescriptor, part.baseAddress, part.count)
        if count < 0, errno != EINTR { throw Self.failure(path, Self.lastError()) }
        done += max(count, 0)
      }
    }
  }

  /// Gives the file its name, over what had it before.
  ///
  /// - Throws: an exit with status 74, after saying why.
  func commit() throws {
    do { try handle.close() } catch {
      // Some file systems say only here that the disk is full.
      throw Self.failure(path, Console.reason(error))
    }
    guard unsafe rename(temporary, destination) == 0 else {
      throw Self.failure(path, Self.lastError())
    }
    isOpen = false
    UnfinishedFiles.forget(place)
  }

  deinit {
    guard isOpen else { return }
    try? handle.close()
    try? FileManager.default.removeItem(atPath: temporary)
    UnfinishedFiles.forget(place)
  }

  /// Writes a whole file.
  static func write(_ text: String, to path: String) throws {
    let file = try OutputFile(path)
    try file.write(Data(text.utf8))
    try file.commit()
  }

  /// Makes a folder and those above it, if they are not there.
  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw Console.failure(
        "cannot make the folder \(path): \(Console.reason(error))", .inputOutput)
    }
  }

  private static func lastError() -> String {
    unsafe String(cString: strerror(errno))
  }

  private static func failure(_ path: String, _ reason: String) -> any Error {
    Console.failure(
      "cannot write \(path): \(reason)", hint: "nothing half-written is left", .inputOutput)
  }
}
