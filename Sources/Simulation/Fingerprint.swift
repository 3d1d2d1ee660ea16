/// A running hash over a sequence of words: equal runs have equal fingerprints.
@frozen public struct Fingerprint: BitwiseCopyable, Equatable, Sendable {
  public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325
  @inlinable public init() {}
  @inlinable public mutating func mix(_ word: UInt64) {
    var folded = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
    folded ^= folded >> 32
    self = Fingerprint(value: folded)
  }
  @usableFromInline init(value: UInt64) { self.value = value }
}
