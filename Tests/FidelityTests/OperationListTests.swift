import Foundation
import Hardware
import Kernel
import Simulation
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
    let text = Self.copies[0].text + "\nop 13 percpu cpu=2 size=64 n=100 set=a\n"
    let found = try compare(text, "slab_fill")
    #expect(found.unsupported?.operation == "percpu cpu=2 size=64 n=100 set=a")
    #expect(found.figures == 0)
  }

  /// Every list of slabs and kmalloc, on kernels and machines that are not in the package.
  @Test(arguments: ["6.1-8c2n", "6.1-16c4n", "6.12-8c2n", "6.12-16c4n"])
  func everySlabListAgrees(configuration: String) throws {
    let folder = Recordings.folder.appendingPathComponent("open/\(configuration)")
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
    guard let names else { return print("skipped: there is no \(folder.path)") }
    let lists = names.filter { $0.hasPrefix("slab_") || $0.hasPrefix("kmalloc_") }.sorted()
    #expect(lists.count >= 16)
    for name in lists {
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      let found = try compare(text, name)
      #expect(found.unsupported == nil, "\(name): \(String(describing: found.unsupported))")
      #expect(found.differences.isEmpty, "\(name): \(found.differences)")
      #expect(found.outOfRange.isEmpty, "\(name): \(found.outOfRange)")
    }
  }

  /// Releases with sheaves. Of a cache that the whole system uses only what a list did is firm.
  @Test(arguments: [("7.2-8c2n", 21), ("6.18-8c2n", 2)])
  func everyListOfSheavesAgrees(configuration: String, count: Int) throws {
    let folder = Recordings.folder.appendingPathComponent("open/\(configuration)")
    let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
    guard let names else { return print("skipped: there is no \(folder.path)") }
    let lists = names.filter { name in
      ["slab_", "kmalloc_", "sheaf_", "uvma_"].contains { name.hasPrefix($0) }
    }
    #expect(lists.count >= count)
    for name in lists.sorted() {
      let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
      let found = try compare(text, name)
      #expect(found.unsupported == nil, "\(name): \(String(describing: found.unsupported))")
      #expect(found.figures == Self.announced(text), "\(name)")
      #expect(found.differences.isEmpty, "\(name): \(found.differences)")
      guard !name.hasPrefix("uvma_"), !name.contains("churn") else { continue }
      #expect(found.outOfRange.isEmpty, "\(name): \(found.outOfRange)")
    }
  }

  @Test(
    "the tree of mappings keeps count, and its leaves stay between their limits", arguments: 1...8)
  func mappings(seed: UInt64) {
    var (tree, random) = (MappingTree(), RandomStream(seed: seed, name: "mappings", index: 0))
    var (mappings, nodes) = (0, 0)
    for turn in 0..<2000 {
      let isInsert = mappings == 0 || random.below(100) < (turn / 500 % 2 == 0 ? 70 : 30)
      let change = isInsert ? tree.insert() : tree.remove(random.below(mappings))
      mappings += isInsert ? 1 : -1
      nodes += change.new - change.old
      #expect(tree.leaves.reduce(0, +) == mappings && nodes == tree.leaves.count - 1)
      let least = tree.leaves.count > 1 ? MappingTree.leafMin : 0
      #expect(tree.leaves.allSatisfy { (least...MappingTree.leafMax).contains($0) })
      guard tree.leaves.reduce(0, +) == mappings else { return }
    }
  }

  /// What the recorded zones had free is what the emulated ones begin with.
  @Test func theRecordedPastIsTaken() throws {
    let list = try OperationList(
      parsing: """
        # x: y
        # kernel 6.12.117; 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; 1 boots
        op 1 settle n=1
         = zone_buddy_free.n0.DMA 3651
         ~ buddy.n0.Normal.Unmovable 39 28 27 17 8 4 5 0 0 1 105 | 1 1 1 1 1 1 1 1 1 1 1
         = buddy.n0.Normal.Movable 1 1 1 2 2 3 3 1 0 0 1
         = buddy.n0.Normal.Reclaimable 2 5 15 9 4 2 0 0 1 0 0
        """, file: "x")
    let costs = try CostFile.named("generic-x86")
    var config = KernelConfig()
    config.lowMemoryEnd = RecordedMachine.guestLowMemoryEnd
    config.managedPages = KnownGuest.managedPages(
      of: RecordedMachine(list.guest), kernel: "6.12", slab: .slub)
    var guest = EmulatedGuest(
      Boot(machine: RecordedMachine(list.guest).description, costs: costs, config: config))
    guest.take(past: RecordedPast(list))
    let zones = guest.zones()
    #expect(zones["zone_buddy_free.n0.DMA"] == "3651")
    #expect(zones["buddy.n0.Normal.Unmovable"] == "39 28 27 17 8 4 5 0 0 1 105")
    #expect(zones["buddy.n0.Normal.Movable"] == "1 1 1 2 2 3 3 1 0 0 1")
    #expect(zones["buddy.n0.Normal.Reclaimable"] == "2 5 15 9 4 2 0 0 1 0 0")
    #expect(guest.machine.world.pages.checkInvariants() == nil)
  }

  @Test(arguments: [
    ("7 N0=7", ["4 N0=4", "9 N0=9"], true), ("7 N1=7", ["4 N0=4", "9 N0=9"], false),
    ("16(1) C2=16(1)", ["32(2) C2=32(2)", "0(0)"], true), ("x", ["x", "y"], true),
    ("z", ["x", "y"], false), ("-", ["0", "3"], true), ("4", ["-", "3"], false),
  ])
  func aVaryingFigureLiesBetweenThoseSeen(value: String, seen: [String], isInRange: Bool) {
    #expect(OperationListRun.isInRange(value, seen) == isInRange)
  }
}
