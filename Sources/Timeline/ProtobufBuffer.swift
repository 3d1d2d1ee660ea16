import Simulation

/// Protocol buffers by hand: tags, varints and nested lengths, a word at a time.
///
/// Encoding rules: protobuf.dev/programming-guides/encoding. A nested length whose size is not known
/// beforehand gets a fixed number of bytes, padded with empty groups, which every reader accepts.
extension OutputBuffer {
  /// The low 56 bits of `value` in groups of seven, a group a byte.
  @inline(__always)
  static func groups(_ value: UInt64) -> UInt64 {
    var x = value
    x = x & 0x0000_0000_0FFF_FFFF | (x & 0x00FF_FFFF_F000_0000) << 4
    x = x & 0x0000_3FFF_0000_3FFF | (x & 0x0FFF_C000_0FFF_C000) << 2
    return x & 0x007F_007F_007F_007F | (x & 0x3F80_3F80_3F80_3F80) << 1
  }

  @inline(__always)
  mutating func varint(_ value: UInt64) {
    if value < 0x80 {
      byte(UInt8(truncatingIfNeeded: value))
    } else if value < 1 << 56 {
      let length = (70 &- value.leadingZeroBitCount) / 7
      let marks = 0x8080_8080_8080_8080 & (UInt64(1) &<< UInt64(8 &* (length &- 1)) &- 1)
      word(Self.groups(value) | marks, length: length)
    } else {
      word(Self.groups(value) | 0x8080_8080_8080_8080, length: 8)
      let rest = value >> 56
      word(rest < 0x80 ? rest : rest & 0x7F | 0x80 | (rest >> 7) << 8, length: rest < 0x80 ? 1 : 2)
    }
  }

  /// A varint field. `tag` is the field's number, at most 2,047.
  mutating func field(_ tag: Int, _ value: UInt64) {
    varint(UInt64(tag) << 3)
    varint(value)
  }

  /// A field of eight fixed bytes.
  mutating func fixed(_ tag: Int, _ value: UInt64) {
    varint(UInt64(tag) << 3 | 1)
    word(value, length: 8)
  }

  /// A string field. Makes room by itself.
  mutating func field(_ tag: Int, _ string: String) {
    reserve(string.utf8.count + 16)
    varint(UInt64(tag) << 3 | 2)
    varint(UInt64(string.utf8.count))
    text(string)
  }

  /// Opens a nested message whose length takes four bytes; `close` needs what this returns.
  mutating func open(_ tag: Int) -> Int {
    reserve(16)
    varint(UInt64(tag) << 3 | 2)
    count &+= 4
    return count
  }

  mutating func close(_ start: Int) {
    let size = UInt64(count &- start)
    let groups = Self.groups(size) | 0x0080_8080
    for index in 0..<4 {
      bytes[start - 4 + index] = UInt8(truncatingIfNeeded: groups >> (8 * UInt64(index)))
    }
  }
}
