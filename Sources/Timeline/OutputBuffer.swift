import Simulation

/// Where every block of an output file goes, in order. It is lent for the call. What it throws
/// ends the writing.
public typealias TimelineSink = (Span<UInt8>) throws -> Void

/// The bytes of an output file that the sink has not got yet.
///
/// Encoders write blindly: who starts a message calls `reserve` with an upper bound once, and each
/// store is still checked. The sink gets blocks of `flushAt` bytes, small enough for a cache.
struct OutputBuffer: ~Copyable {
  /// Bytes at which `flushIfFull` hands them on.
  static var flushAt: Int { 1 << 16 }
  /// How far past the end of what it writes a word store may reach. Unit: bytes.
  static var slack: Int { 16 }

  var bytes: Buffer<UInt8>
  var count: Int
  let sink: TimelineSink

  init(sink: @escaping TimelineSink) {
    bytes = Buffer(Self.flushAt * 2, 0)
    count = 0
    self.sink = sink
  }

  /// Makes room for `size` more bytes.
  @inline(__always)
  mutating func reserve(_ size: Int) {
    let needed = count &+ size &+ Self.slack
    if needed > bytes.count { bytes.grow(to: max(needed, bytes.count * 2), 0) }
  }

  mutating func flushIfFull() throws {
    if count >= Self.flushAt { try flush() }
  }

  mutating func flush() throws {
    guard count > 0 else { return }
    try bytes.lend(count, to: sink)
    count = 0
  }

  @inline(__always)
  mutating func byte(_ value: UInt8) {
    bytes[count] = value
    count &+= 1
  }

  /// The lowest `length` bytes of `word`, at most 8.
  @inline(__always)
  mutating func word(_ word: UInt64, length: Int) {
    bytes.store(word, at: count)
    count &+= length
  }

  /// UTF-8. Makes room by itself.
  mutating func text(_ string: String) {
    var string = string
    string.makeContiguousUTF8()
    reserve(string.utf8.count)
    for unit in string.utf8 { byte(unit) }
  }
}

/// Strings by number, as bytes ready to be copied.
struct StringBlob: ~Copyable {
  private var bytes: Buffer<UInt8>
  private var ends: Buffer<Int32>
  private(set) var count: Int
  /// The longest string. Unit: bytes.
  private(set) var lengthMax: Int

  init(_ strings: [String]) {
    bytes = Buffer(256, 0)
    ends = Buffer(16, 0)
    (count, lengthMax) = (0, 0)
    for string in strings { append(string) }
  }

  mutating func append(_ string: String) {
    let start = self.start(of: count)
    let size = string.utf8.count
    bytes.grow(to: start + size > bytes.count ? (start + size) * 2 : 0, 0)
    ends.grow(to: count == ends.count ? count * 2 : 0, 0)
    for (offset, unit) in string.utf8.enumerated() { bytes[start + offset] = unit }
    ends[count] = Int32(start + size)
    count += 1
    lengthMax = max(lengthMax, size)
  }

  @inline(__always)
  private func start(of index: Int) -> Int { index == 0 ? 0 : Int(ends[index - 1]) }

  @inline(__always)
  func length(of index: Int) -> Int { Int(ends[index]) - start(of: index) }

  /// Copies string `index` to the end of `output`, which has room for it.
  @inline(__always)
  func write(_ index: Int, to output: inout OutputBuffer) {
    let start = start(of: index)
    let size = Int(ends[index]) - start
    output.bytes.copy(size, from: bytes, at: start, to: output.count)
    output.count &+= size
  }
}
