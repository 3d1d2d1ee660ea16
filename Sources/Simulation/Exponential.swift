/// Exponential draws in whole numbers, the same on every host: no logarithm of the C library.
///
/// -ln(u) for u in (0, 1] is the number of leading zero bits of u times ln 2, plus -ln of the
/// mantissa, by a table of 257 points and a line between them. Error below 2 parts in 10^6.
public enum Exponential {
  /// -ln(1 - i / 512) for i in 0...257, that is -ln of mantissas from 1 down to 1/2.
  /// Unit: 2^-32. Summed from the series of ln, in integers.
  static let table: [UInt64] = (0...257).map { minusLog(1 << 32 - UInt64($0) << 23) }
  /// ln 2. Unit: 2^-32.
  static let log2: UInt64 = 2_977_044_472

  /// -ln(x) for x in [1/2, 1], in units of 2^-32, by -ln x = 2 artanh((1 - x) / (1 + x)).
  static func minusLog(_ x: UInt64) -> UInt64 {
    let one: UInt64 = 1 << 32
    let ratio = ((one - x) << 31) / ((one + x) >> 1)
    let square = (ratio * ratio) >> 32
    var (power, sum) = (ratio, UInt64(0))
    for odd in stride(from: UInt64(1), through: 25, by: 2) {
      sum += power / odd
      power = (power * square) >> 32
    }
    return 2 * sum
  }

  /// A draw with mean `mean`. Unit: the mean's.
  public static func draw(mean: UInt64, _ stream: inout RandomStream) -> UInt64 {
    let bits = stream.next() | 1
    let zeros = bits.leadingZeroBitCount
    let mantissa = (bits << UInt64(zeros)) >> 31  // in [1/2, 1), unit 2^-33
    let below = (1 << 33) - mantissa
    let index = Int(below >> 24)
    let rest = below & 0xFF_FFFF
    let (low, high) = (table[index], table[index + 1])
    let log = low + ((high - low) * rest) >> 24 + UInt64(zeros) * log2
    return mean.multipliedFullWidth(by: log).high << 32 | (mean &* log) >> 32
  }
}
