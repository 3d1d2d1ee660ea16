import Hardware
import Testing

@testable import Kernel

/// Zone and list parameters as recorded kernels show them (`Data/zones.csv` says whose).
@Suite struct ZoneParameterTests {
  struct Row: Sendable {
    let name: String
    let boot: String
    let cpus: Int
    let freeMinKiB: Int
    let managed: Int
    /// min, low, high, promo.
    let marks: [Int]
    let batch: Int
    let highs: [Int]
  }

  static let rows: [Row] = {
    let text = String(decoding: PackageResources.zones_csv, as: UTF8.self)
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.dropFirst().map { line in
      let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      func number(_ place: Int) -> Int { Int(fields[place])! }
      return Row(
        name: fields[0...2].joined(separator: " "), boot: fields[0], cpus: number(3),
        freeMinKiB: number(4), managed: number(5), marks: (6...9).map(number), batch: number(10),
        highs: fields[11].isEmpty ? [] : [number(11), number(12)])
    }
  }()

  /// Every zone of every recorded boot of 6.12 and 6.18: no difference.
  @Test func watermarksAndListSizesEqualEveryBoot() {
    #expect(Self.rows.count == 67)
    for row in Self.rows {
      let all = Self.rows.filter { $0.boot == row.boot }.reduce(0) { $0 + $1.managed }
      let marks = Watermark(managed: row.managed, of: all, freeMinKiB: row.freeMinKiB)
      #expect([marks.min, marks.low, marks.high, marks.promo] == row.marks, "\(row.name)")
      let sizing = PerCPUSizing(managed: row.managed, low: marks.low, cpus: row.cpus)
      #expect(sizing.batch == row.batch, "\(row.name)")
      if !row.highs.isEmpty {
        #expect([Int(sizing.highMin), Int(sizing.highMax)] == row.highs, "\(row.name)")
      }
    }
  }

  /// A running 6.18.44 with two CPUs, one node, huge pages on: zoneinfo and `vm` sysctls.
  @Test func aRunningKernelWithHugePages() {
    let managed = [3840, 772_917, 3_997_696]
    let all = managed.reduce(0, +)
    let freeMin = Watermark.freeMinKiB(pages: all, zones: 3, hugePages: true)
    #expect(freeMin == 67584)
    let marks = managed.map { Watermark(managed: $0, of: all, freeMinKiB: freeMin) }
    #expect(marks.map(\.min) == [13, 2735, 14147])
    #expect(marks.map(\.low) == [16, 3507, 18144])
    #expect(marks.map(\.high) == [19, 4279, 22141])
    #expect(marks.map(\.promo) == [22, 5051, 26138])
    let sizings = zip(managed, marks).map {
      PerCPUSizing(managed: $0, low: $1.low, cpus: 2)
    }
    #expect(sizings.map(\.batch) == [1, 63, 63])
    #expect(sizings.map(\.highMin) == [8, 1753, 9072])
    #expect(sizings.map(\.highMax) == [240, 48307, 249_856])
    #expect(Watermark(movable: 0).high == 32)
  }

  /// The same kernel's `protection:` lines.
  @Test func reservesOfARunningKernel() {
    let memory = UInt64(3 << 30 + 3_997_696 << 12)
    var layout = ZoneLayout(nodes: [memory + 1 << 30], architecture: .x86_64)
    let low = layout.setManaged(NodeID(0), .dma32, 772_917)
    let high = layout.setManaged(NodeID(0), .normal, 3_997_696)
    #expect(low && high)
    let pages = PageAllocator(layout, cpuCounts: [2], distance: { _, _ in 10 })
    let zones = [pages.zones[0], pages.zones[1], pages.zones[2]]
    let reserves = zones.map { zone in (0..<3).map { zone.reserve[$0] } }
    #expect(reserves == [[0, 3019, 18635], [0, 0, 15616], [0, 0, 0]])
    #expect(zones[2].sizing.highMax == 249_856)
  }

  /// `min_free_kbytes` by the size of memory, without huge pages (spec of the page allocator, 6).
  @Test(arguments: [(1, 4096), (4, 8192), (16, 16384), (64, 32768), (1024, 131_072)])
  func freeMinGrowsAsTheRoot(gibibytes: Int, kibibytes: Int) {
    let pages = gibibytes << 18
    #expect(Watermark.freeMinKiB(pages: pages, zones: 3, hugePages: false) == kibibytes)
  }
}
