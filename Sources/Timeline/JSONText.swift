import Simulation

/// JSON by hand: escaped strings, numbers, and nanoseconds as decimal microseconds.
extension OutputBuffer {
  /// At most 20 digits; room is the caller's business.
  mutating func decimal(_ value: UInt64) {
    var digits = 1
    var rest = value
    while rest >= 10 {
      rest /= 10
      digits &+= 1
    }
    rest = value
    var place = count &+ digits
    count = place
    repeat {
      place &-= 1
      bytes[place] = UInt8(truncatingIfNeeded: 0x30 &+ rest % 10)
      rest /= 10
    } while rest > 0
  }

  mutating func decimal(_ value: Int64) {
    if value < 0 { byte(0x2D) }
    decimal(value.magnitude)
  }

  mutating func hexadecimal(_ value: UInt64) {
    word(0x7830, length: 2)
    var shift = max(0, 60 - value.leadingZeroBitCount & ~3)
    repeat {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift) & 15)
      byte(digit < 10 ? 0x30 + digit : 0x57 + digit)
      shift -= 4
    } while shift >= 0
  }

  /// Nanoseconds as microseconds with three decimals, which every reader keeps.
  mutating func microseconds(nanoseconds: UInt64) {
    decimal(nanoseconds / 1000)
    let rest = nanoseconds % 1000
    byte(0x2E)
    byte(UInt8(0x30 + rest / 100))
    byte(UInt8(0x30 + rest / 10 % 10))
    byte(UInt8(0x30 + rest % 10))
  }
}

/// A string with its quotes, escaped after RFC 8259.
func jsonString(_ string: String) -> String {
  var result = "\""
  for scalar in string.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case let control where control.value < 0x20:
      let digits = String(control.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
