/// One reproducible stream of numbers (SplitMix64), independent for each (seed, name, index).
///
/// Adding a CPU or changing the order of events does not shift the draws of another stream.
@frozen public struct RandomStream: BitwiseCopyable, Sendable {
  @usableFromInline var state: UInt64

  @inlinable public init(seed: UInt64, index: Int) {
    state = seed &+ UInt64(truncatingIfNeeded: index) &* 0xD1B5_4A32_D192_ED03
    _ = next()
  }

  /// The stream called `name`: its bytes are folded into the seed (FNV-1a), never `Hasher`.
  public init(seed: UInt64, name: String, index: Int) {
    var folded: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { folded = (folded ^ UInt64(byte)) &* 0x100_0000_01B3 }
    self.init(seed: seed ^ folded, index: index)
  }

  @inlinable public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// A number below `bound`, by multiply and shift: the same on every host.
  @inlinable public mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }
}
