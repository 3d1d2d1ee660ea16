import Foundation
import Kernel
import Testing

@testable import Run

/// Operation lists of a recorded 6.12.117 (ground truth recording), run on the emulated machine.
@Suite struct OperationListTests {
  struct Copy: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var testDescription: String { name }
  }

  /// Copies of six lists of the configuration with 8 CPUs and 2 nodes.
  static let copies = [
    Copy(name: "slab_fill", bytes: PackageResources.slab_fill_6_12_8c2n_vec),
    Copy(name: "slab_free_remote", bytes: PackageResources.slab_free_remote_6_12_8c2n_vec),
    Copy(name: "slab_min_partial", bytes: PackageResources.slab_min_partial_6_12_8c2n_vec),
    Copy(name: "slab_numa_node", bytes: PackageResources.slab_numa_node_6_12_8c2n_vec),
    Copy(name: "vmalloc_small", bytes: PackageResources.vmalloc_small_6_12_8c2n_vec),
    Copy(name: "vmalloc_threshold", bytes: PackageResources.vmalloc_threshold_6_12_8c2n_vec),
  ]

  private func compare(_ text: String, _ name: String) throws(RecordingError) -> FileAgreement {
    try Verifier().compare(Recording(file: "\(name).vec", text: text))
  }

  @Test(arguments: copies)
  func everyCoreFigureOfTheCopiedListsAgrees(copy: Copy) throws {
    let found = try compare(copy.text, copy.name)
    #expect(found.figures == Self.announced(copy.text))
    #expect(found.differences.isEmpty, "\(found.differences.prefix(3))")
    #expect(found.unsupported == nil)
  }

  /// The header says how many core figures are the same in all boots.
  private static func announced(_ text: String) -> Int? {
    let line = text.split(separator: "\n").first { $0.hasPrefix("# kernel") } ?? ""
    return line.split(separator: " ").dropLast(3).last.flatMap { Int($0) }
  }

  static let required = [
    "slab_fill", "slab_free_fifo", "slab_free_remote", "slab_cpu_partial_256",
    "slab_cpu_partial_64_remote", "slab_min_partial", "slab_numa_node", "kmalloc_sizes",
    "vmalloc_small", "vmalloc_threshold",
  ]

  @Test(arguments: ["6.12-8c2n", "6.12-16c4n"])
  func everyCoreFigureOfTheRecordedListsAgrees(configuration: String) throws {
    for name in Self.required {
      let url = Recordings.folder.appendingPathComponent("open/\(configuration)/\(name).vec")
      guard let text = try? String(contentsOf: url, encoding: .utf8) else {
        print("skipped: no list at \(url.path)")
        continue
      }
      let found = try compare(text, name)
      #expect(found.figures == Self.announced(text), "\(configuration) \(name)")
      #expect(found.differences.isEmpty, "\(configuration) \(found.differences.prefix(3))")
    }
  }

  /// A comparison that cannot fail is none: one changed figure is one difference, in its place.
  @Test(arguments: [
    ("slab_fill", " = slab.s1.slabs_cpu_partial 64(2) C2=64(2)", "66(2) C2=66(2)"),
    ("slab_fill", " = ev.page_alloc.o0.m0 2", "3"), ("slab_numa_node", " = result.n1 10", "11"),
    ("vmalloc_small", " = tlb.do_flush_tlb_all.cpus_run 8", "7"),
    ("slab_fill", " = param.align 8", "16"),
  ])
  func aChangedFigureIsReported(name: String, line: String, value: String) throws {
    let copy = try #require(Self.copies.first { $0.name == name })
    let place = try #require(copy.text.range(of: line + "\n"))
    let key = line.split(separator: " ")[1]
    let text = copy.text.replacingCharacters(in: place, with: " = \(key) \(value)\n")
    let found = try compare(text, name)
    let difference = try #require(found.differences.first)
    #expect(found.differences.count == 1)
    #expect(difference.recorded == value)
    #expect(difference.key == key)
    #expect(text.split(separator: "\n")[difference.line - 1] == " = \(key) \(value)")
  }

  /// A page event that the recording does not have is a difference too.
  @Test func anEventThatTheRecordingLacksIsReported() throws {
    let copy = try #require(Self.copies.first { $0.name == "slab_fill" })
    let text = copy.text.replacingOccurrences(of: " = ev.page_alloc.o0.m0 2\n", with: "")
    let found = try compare(text, "slab_fill")
    #expect(found.differences.map(\.recorded) == ["0"])
    #expect(found.differences.map(\.emulated) == ["2"])
  }

  @Test func aListWithoutEventsWasRecordedWithoutAndIsNotComparedByThem() throws {
    let copy = try #require(Self.copies.first { $0.name == "slab_fill" })
    let lines = copy.text.split(separator: "\n").filter { !$0.contains(" ev.") }
    let found = try compare(lines.joined(separator: "\n"), "slab_fill")
    #expect(found.differences.isEmpty)
    #expect(found.notes.count == 1)
  }

  /// The same list twice gives the same answers: nothing of one run is left for the next.
  @Test func twoRunsAgreeInEverything() throws {
    let copy = try #require(Self.copies.first { $0.name == "slab_min_partial" })
    #expect(try compare(copy.text, "a") == compare(copy.text, "a"))
  }

  @Test func anUnknownOperationIsNamed() throws {
    let text = Self.copies[0].text + "\nop 13 churn cpus=2-3 cache=s1 n=100 batch=4\n"
    let found = try compare(text, "slab_fill")
    #expect(found.unsupported?.operation == "churn cpus=2-3 cache=s1 n=100 batch=4")
    #expect(found.figures == 0)
  }
}
