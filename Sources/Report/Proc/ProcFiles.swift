import Run

/// The kernel's own text files of /proc, byte for byte in its formats, from a result's figures.
///
/// A field that the emulator has no value for is what an idle kernel prints there: 0.
/// Formats are those of 6.12 on x86-64, compared with recordings of 6.12.117 in the tests.
package enum ProcFiles {
  package struct File: Sendable, Equatable {
    package let name: String
    package let text: String
  }

  package static func all(of result: RunResult) -> [File] {
    [
      File(name: "slabinfo", text: slabinfo(result.caches.reversed())),
      File(name: "buddyinfo", text: buddyinfo(result.zones)),
      File(name: "zoneinfo", text: zoneinfo(result)),
      File(name: "vmallocinfo", text: vmallocinfo(result.vmalloc)),
      File(name: "vmstat", text: vmstat(result)),
      File(name: "interrupts", text: interrupts(result)),
    ]
  }

  // MARK: printf

  /// `%*s`: at least `width` columns, right-aligned.
  static func right(_ value: some CustomStringConvertible, _ width: Int) -> String {
    TextLayout.right("\(value)", width)
  }
  /// `%-*s`.
  static func left(_ value: some CustomStringConvertible, _ width: Int) -> String {
    TextLayout.left("\(value)", width)
  }
  /// `0x%016lx`, what `0x%pK` prints for root.
  static func pointer(_ address: UInt64) -> String {
    let digits = String(address, radix: 16)
    return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
  }
}
