import Foundation
import Testing

@testable import Report
@testable import Run

/// What the tests know of the recordings beside the repository: real files of real kernels.
enum Recordings {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "../shared/groundtruth/boot")

  /// The text of a recorded file, or nil after saying that the test is skipped.
  static func text(_ boot: String, _ name: String) -> String? {
    let plain = root.appending(path: "\(boot)/\(name).txt")
    if let text = try? String(contentsOf: plain, encoding: .utf8) { return text }
    let packed = plain.path + ".gz"
    guard FileManager.default.fileExists(atPath: packed) else {
      print("skipped: no recording \(boot)/\(name)")
      return nil
    }
    let process = Process()
    process.executableURL = URL(filePath: "/bin/zcat")
    process.arguments = [packed]
    let pipe = Pipe()
    process.standardOutput = pipe
    guard (try? process.run()) != nil else { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  static let boots = ["6.12-1c1n", "6.12-8c2n", "6.12-16c2n", "6.12-64c4n"]
}

/// Writers and readers judge each other, and both are judged by what kernels wrote.
@Suite struct ProcTests {
  // MARK: slabinfo

  @Test func slabinfoIsReadBack() throws {
    let caches = RunResult.sample().caches
    let rows = try ProcReader.slabinfo(ProcFiles.slabinfo(caches))
    #expect(rows.count == 1)
    let row = try #require(rows.first)
    #expect(row.name == "kmalloc-256")
    #expect(row.numbers == [11_997, 13_184, 256, 32, 2, 0, 0, 0, 412, 412, 0])
  }

  /// A recorded slabinfo read and written again is the same, byte for byte.
  @Test(arguments: Recordings.boots) func slabinfoIsTheKernels(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "slabinfo") else { return }
    let caches = try ProcReader.slabinfo(recorded).map { row in
      RunResult.Cache(
        name: row.name, objectSize: row.numbers[2], slabSize: row.numbers[2],
        objectsPerSlab: row.numbers[3], order: row.numbers[4].trailingZeroBitCount,
        slabs: row.numbers[9], activeObjects: row.numbers[0], objects: row.numbers[1], partial: 0,
        isReclaimable: false, slabsByNode: [], stats: [:])
    }
    #expect(caches.count > 50)
    expectSameText(ProcFiles.slabinfo(caches), recorded)
  }

  /// Kernel: `list_add(&s->list, &slab_caches)`.
  @Test func slabinfoBeginsWithTheNewestCache() throws {
    var result = RunResult.sample()
    result.caches.append(result.caches[0])
    result.caches[1].name = "made-later"
    let file = try #require(ProcFiles.all(of: result).first { $0.name == "slabinfo" })
    #expect(try ProcReader.slabinfo(file.text).map(\.name) == ["made-later", "kmalloc-256"])
  }

  // MARK: buddyinfo

  @Test func buddyinfoIsReadBack() throws {
    let rows = try ProcReader.buddyinfo(ProcFiles.buddyinfo(RunResult.sample().zones))
    #expect(rows.map(\.zone) == ["DMA32", "Normal", "Normal"])
    #expect(rows.map(\.node) == [0, 0, 1])
    #expect(rows.allSatisfy { $0.counts == [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 748] })
  }

  @Test(arguments: Recordings.boots) func buddyinfoIsTheKernels(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "buddyinfo") else { return }
    var zones: [RunResult.Zone] = []
    for row in try ProcReader.buddyinfo(recorded) {
      var zone = RunResult.sample().zones[0]
      (zone.node, zone.zone, zone.freeByOrder) = (row.node, row.zone, row.counts)
      zones.append(zone)
    }
    expectSameText(ProcFiles.buddyinfo(zones), recorded)
  }

  // MARK: zoneinfo

  @Test func zoneinfoIsReadBack() throws {
    let result = RunResult.sample()
    let zones = try ProcReader.zoneinfo(ProcFiles.zoneinfo(result))
    #expect(zones.count == 2 * 5)
    let normal = try #require(zones.first { $0.node == 1 && $0.zone == "Normal" })
    #expect(normal.figures["min"] == 5283)
    #expect(normal.figures["pages free"] == 767_000)
    #expect(normal.figures["managed"] == 767_744)
    #expect(normal.figures["nr_slab_unreclaimable"] == 24)
    #expect(normal.protection == [0, 0, 0, 0, 0])
    #expect(normal.pagesets.count == 32)
    #expect(normal.pagesets[3] == ["count": 33, "high": 288, "batch": 63])
    let low = try #require(zones.first { $0.node == 0 && $0.zone == "DMA32" })
    #expect(low.protection == [0, 0, 28_000, 28_000, 28_000])
    #expect(low.figures["nr_slab_unreclaimable"] == 800)
  }

  /// A recorded zoneinfo, read and written again, differs only in what is not emulated: the
  /// figures of user pages and the counts of where pages came from.
  @Test(arguments: Recordings.boots) func zoneinfoIsTheKernels(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "zoneinfo") else { return }
    let rows = try ProcReader.zoneinfo(recorded)
    var result = RunResult.sample()
    result.machine.nodes = (rows.map(\.node).max() ?? 0) + 1
    result.machine.cpus = rows.map(\.pagesets.count).max() ?? 0
    result.zones = rows.map { row in
      func figure(_ name: String) -> Int { row.figures[name] ?? 0 }
      return RunResult.Zone(
        node: row.node, zone: row.zone, startPfn: figure("start_pfn"),
        spannedPages: figure("spanned"), presentPages: figure("present"),
        managedPages: figure("managed"), freePages: figure("pages free"), freeByOrder: [],
        watermarks: .init(
          min: figure("min"), low: figure("low"), high: figure("high"), promo: figure("promo")),
        boost: figure("boost"),
        protection: row.protection,
        pagesets: row.pagesets.enumerated().map { cpu, set in
          .init(
            cpu: cpu, count: set["count"] ?? 0, high: set["high"] ?? 0, batch: set["batch"] ?? 0,
            highMin: 0, highMax: 0)
        })
    }
    func masked(_ text: String) -> String {
      text.replacing(/(\n +(?:nr|numa|workingset|pg)\w+) +\d+/) { String($0.1) }
    }
    expectSameText(masked(ProcFiles.zoneinfo(result)), masked(recorded))
  }

  // MARK: vmallocinfo

  @Test func vmallocinfoIsReadBack() throws {
    let text = ProcFiles.vmallocinfo(RunResult.sample().vmalloc)
    let rows = try ProcReader.vmallocinfo(text)
    #expect(rows.map(\.bytes) == [20_480, 2_625_536, 8192])
    #expect(rows.map(\.pages) == [4, 640, 0])
    #expect(rows[0].start == 0xffff_c900_0000_0000)
    #expect(rows[0].words == ["vmalloc"])
    #expect(rows[1].words == ["vmalloc", "vpages"])
    #expect(rows[1].nodes == [0: 320, 1: 320])
    #expect(rows[2].words == ["unpurged", "vm_area"])
  }

  @Test(arguments: Recordings.boots) func vmallocinfoIsTheKernels(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "vmallocinfo") else { return }
    let lines = recorded.split(separator: "\n").map(String.init)
    // Mappings of devices have words of their own, which an allocator never writes.
    let known = lines.filter { !$0.contains("phys=") }
    for line in known {
      let row = try #require(try ProcReader.vmallocinfo(line + "\n").first)
      let nodes = (0...(row.nodes.keys.max() ?? 0)).map { row.nodes[$0] ?? 0 }
      let area = RunResult.Vmalloc.Area(
        start: row.start, end: row.start &+ row.bytes, pages: row.pages,
        nodes: nodes,
        isVmap: row.words.contains("vmap"), hasVmallocedArray: row.words.contains("vpages"),
        isUnpurged: row.words.contains("unpurged"))
      var vmalloc = RunResult.sample().vmalloc
      vmalloc.list = [area]
      // The recording's addresses are hashed, each on its own; its callers are functions.
      expectSameText(
        Self.withoutAddresses(ProcFiles.vmallocinfo(vmalloc)), Self.withoutAddresses(line + "\n"))
    }
    #expect(known.count > 10)
  }

  private static func withoutAddresses(_ text: String) -> String {
    text.replacing(/0x[0-9a-f]{16}-0x[0-9a-f]{16}/, with: "A-B")
      .replacing(/\ \S+\+0x[0-9a-f]+\/0x[0-9a-f]+/, with: "")
  }

  // MARK: vmstat

  @Test func vmstatIsReadBack() throws {
    var result = RunResult.sample()
    result.counters["pgalloc_normal"] = 824
    let figures = try ProcReader.vmstat(ProcFiles.vmstat(result))
    #expect(figures.first { $0.name == "pgalloc_normal" }?.value == 824)
    #expect(figures.first { $0.name == "nr_free_pages" }?.value == 3 * 767_000)
    #expect(figures.first { $0.name == "nr_slab_unreclaimable" }?.value == 824)
    #expect(figures.first { $0.name == "pgfault" }?.value == 0)
  }

  @Test(arguments: Recordings.boots) func vmstatHasTheKernelsLines(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "vmstat") else { return }
    let mine = try ProcReader.vmstat(ProcFiles.vmstat(.sample())).map(\.name)
    #expect(mine == (try ProcReader.vmstat(recorded).map(\.name)))
  }

  // MARK: interrupts

  @Test func interruptsAreReadBack() throws {
    let (cpus, rows) = try ProcReader.interrupts(ProcFiles.interrupts(.sample()))
    #expect(cpus == Array(0..<32))
    let device = try #require(rows.first)
    #expect(device.name == "24")
    #expect(device.counts[0...2] == [6, 6, 0])
    #expect(device.title.hasSuffix("eth0"))
    let calls = try #require(rows.first { $0.name == "CAL" })
    #expect(calls.counts == [Int](repeating: 2, count: 32))
    #expect(calls.title == "Function call interrupts")
  }

  @Test(arguments: Recordings.boots) func interruptsHaveTheKernelsRows(_ boot: String) throws {
    guard let recorded = Recordings.text(boot, "interrupts") else { return }
    let (cpus, rows) = try ProcReader.interrupts(recorded)
    var result = RunResult.sample()
    result.machine.cpus = cpus.count
    result.interrupts.sources = []
    let text = ProcFiles.interrupts(result)
    let (mine, own) = try ProcReader.interrupts(text)
    #expect(mine == cpus)
    #expect(own.map(\.name) == rows.map(\.name).filter { Int($0) == nil })
    // The lines of the architecture and the head agree but for their counts.
    func masked(_ text: Substring) -> String { String(text.replacing(/\ +\d+(?= )/, with: " n")) }
    let theirs = recorded.split(separator: "\n").filter { !$0.contains(/^ *\d+:/) }
    for (line, other) in zip(text.split(separator: "\n"), theirs) {
      #expect(line.utf8.count == other.utf8.count && masked(line) == masked(other))
    }
  }
}
