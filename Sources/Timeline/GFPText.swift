import Simulation

/// GFP masks as the kernel prints them: names joined by `|`, what has no name in hexadecimal.
struct GFPText {
  private let names: [(name: String, bits: UInt64)]
  private var known: [UInt64: String] = [:]

  init(_ names: [(name: String, bits: UInt64)]) { self.names = names }

  /// Kernel: `__print_flags` with `__def_gfpflag_names`, include/trace/events/mmflags.h, 6.12.
  mutating func text(_ mask: UInt64) -> String {
    if let text = known[mask] { return text }
    var rest = mask
    var parts: [String] = []
    for (name, bits) in names where bits != 0 && rest & bits == bits {
      parts.append(name)
      rest &= ~bits
    }
    if rest != 0 { parts.append("0x" + String(rest, radix: 16)) }
    let text = parts.isEmpty ? "none" : parts.joined(separator: "|")
    known[mask] = text
    return text
  }
}
