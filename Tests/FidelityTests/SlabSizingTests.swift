import Foundation
import Testing

@testable import Kernel

/// Sizes of caches as real kernels answered. Sources: ground truth recordings of 6.12.117 (sysfs
/// right after boot; operation lists), and the tables of the project's SLUB page, section 2.
@Suite struct SlabSizingTests {
  static let rules = KernelVersion.v6_12.slab

  /// One recorded boot, part of the package.
  static let copied = String(decoding: PackageResources.slab_params_6_12_8c2n_csv, as: UTF8.self)

  @Test("every cache of a boot with 8 CPUs has the recorded shape")
  func copiedBoot() throws {
    let rows = Recordings.rows(Self.copied)
    #expect(rows.count > 160)
    for row in rows { try compare(row, cpuCount: 8) }
  }

  @Test("every cache of every recorded boot of 6.12 has the recorded shape")
  func allBoots() throws {
    for boot in Recordings.boots("6.12-") {
      let name = boot.lastPathComponent.dropFirst("6.12-".count)
      let cpuCount = try #require(Int(name.prefix { $0 != "c" }))
      let url = boot.appendingPathComponent("slab_params.csv")
      for row in Recordings.rows(try String(contentsOf: url, encoding: .utf8)) {
        try compare(row, cpuCount: cpuCount)
      }
    }
  }

  private func compare(_ row: [String: String], cpuCount: Int) throws {
    func number(_ key: String) -> Int { Int(row[key] ?? "") ?? -1 }
    var flags: SlabFlags = []
    if number("hwcache_align") == 1 { flags.insert(.hwCacheAlign) }
    if number("destroy_by_rcu") == 1 { flags.insert(.typesafeByRCU) }
    if row["ctor"] != "" { flags.insert(.constructor) }
    let align = SlabSizing.alignment(
      requested: number("align"), objectSize: number("object_size"), flags: flags, cacheLine: 64)
    let sizing = try #require(
      SlabSizing(
        objectSize: number("object_size"), align: align, flags: flags, cpuCount: cpuCount,
        rules: Self.rules))
    let name = row["name"] ?? "?"
    #expect(sizing.align == number("align"), "\(name)")
    #expect(sizing.size == number("slab_size"), "\(name)")
    #expect(sizing.objects == number("objs_per_slab"), "\(name)")
    #expect(sizing.order.index == number("order"), "\(name)")
    #expect(sizing.cpuPartial == number("cpu_partial"), "\(name)")
    #expect(sizing.minPartial == number("min_partial"), "\(name)")
  }

  @Test("kmalloc caches have the recorded alignment and family names")
  func kmallocRows() throws {
    let rows = Recordings.rows(Self.copied)
    let byName = Dictionary(uniqueKeysWithValues: rows.map { ($0["name"]!, $0) })
    let classes = KmallocClasses(minimum: 8, rules: Self.rules)
    for family in KmallocFamily.allCases {
      for index in classes.indices {
        let row = try #require(byName[classes.name(family, index)])
        #expect(row["object_size"] == "\(KmallocClasses.size(of: index))")
        #expect(row["align"] == "\(classes.alignment(of: index))")
        #expect((row["cache_dma"] == "1") == (family == .dma))
        #expect((row["reclaim_account"] == "1") == (family == .reclaim))
      }
    }
    #expect(classes.indices.count == 13)
  }

  @Test("the order of kmalloc classes follows the CPU count", arguments: SlabSizingTests.table)
  func orders(cpus: [Int], shapes: [String]) throws {
    let sizes = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192]
    for cpuCount in cpus {
      for (size, shape) in zip(sizes, shapes) {
        for search in [SlabRules.OrderSearch.moreWaste, .fewerObjects] {
          var rules = Self.rules
          rules.orderSearch = search
          let sizing = SlabSizing(objectSize: size, align: 8, cpuCount: cpuCount, rules: rules)
          let found = try #require(sizing)
          #expect("\(found.order.index)/\(found.objects)" == shape, "\(size) on \(cpuCount) CPUs")
        }
      }
    }
  }

  /// The table of order and objects of section 2.2.
  static let table: [([Int], [String])] = [
    ([1], words("0/512 0/256 0/128 0/64 0/42 0/32 0/21 0/16 0/8 1/8 2/8 3/8 3/4")),
    ([2, 7], words("0/512 0/256 0/128 0/64 0/42 0/32 0/21 0/16 1/16 2/16 3/16 3/8 3/4")),
    ([8, 15], words("0/512 0/256 0/128 0/64 0/42 0/32 0/21 1/32 2/32 3/32 3/16 3/8 3/4")),
    ([16, 127], words("0/512 0/256 0/128 0/64 0/42 0/32 1/42 1/32 2/32 3/32 3/16 3/8 3/4")),
    ([128, 511], words("0/512 0/256 0/128 0/64 0/42 1/64 1/42 2/64 3/64 3/32 3/16 3/8 3/4")),
    ([512, 4096], words("0/512 0/256 0/128 0/64 1/85 1/64 2/85 2/64 3/64 3/32 3/16 3/8 3/4")),
  ]

  private static func words(_ text: String) -> [String] {
    text.split(separator: " ").map(String.init)
  }

  @Test("12,000 bytes fit order 2 up to 6.6, and order 3 since half a slab may be waste")
  func halfWaste() {
    var rules = Self.rules
    #expect(SlabSizing(objectSize: 12000, align: 8, cpuCount: 16, rules: rules)?.order.index == 3)
    rules.orderSearch = .fewerObjects
    #expect(SlabSizing(objectSize: 12000, align: 8, cpuCount: 16, rules: rules)?.order.index == 2)
  }

  @Test("CPU partial lists are limited in slabs as section 2.3 has them")
  func cpuPartialSlabs() {
    let sizes = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192]
    func limits(_ cpuCount: Int) -> [Int] {
      sizes.map {
        SlabSizing(objectSize: $0, align: 8, cpuCount: cpuCount, rules: Self.rules)?
          .cpuPartialSlabs
          ?? -1
      }
    }
    #expect(limits(16) == [1, 1, 2, 4, 6, 8, 6, 4, 4, 2, 3, 2, 3])
    #expect(limits(128) == [1, 1, 2, 4, 6, 4, 6, 2, 2, 2, 3, 2, 3])
    #expect(limits(4) == [1, 1, 2, 4, 6, 8, 12, 7, 7, 3, 3, 2, 3])
  }

  @Test("no slab holds an object of more than 4 MiB, of no bytes, or aligned to 3")
  func impossible() {
    #expect(
      SlabSizing(objectSize: 4 << 20, align: 8, cpuCount: 1, rules: Self.rules) != nil
    )
    #expect(
      SlabSizing(objectSize: 4 << 20 + 1, align: 8, cpuCount: 1, rules: Self.rules)
        == nil)
    #expect(
      SlabSizing(objectSize: 0, align: 8, cpuCount: 1, rules: Self.rules) == nil)
    #expect(
      SlabSizing(objectSize: 8, align: 3, cpuCount: 1, rules: Self.rules) == nil)
  }

  @Test("usable sizes are those of the recorded list kmalloc_sizes")
  func usableSizes() throws {
    let classes = KmallocClasses(minimum: 8, rules: Self.rules)
    let recorded = [
      (1, 8), (8, 8), (9, 16), (33, 64), (65, 96), (96, 96), (97, 128), (129, 192), (192, 192),
      (193, 256), (264, 512), (544, 1024), (2056, 4096), (8192, 8192), (8193, 16384),
      (17193, 32768), (35193, 65536), (71193, 131072), (134193, 262144), (296193, 524288),
    ]
    for (size, usable) in recorded { #expect(classes.usableSize(size) == usable, "\(size)") }
    let list = Recordings.folder.appendingPathComponent("open/6.12-8c2n/kmalloc_sizes.vec")
    guard let text = try? String(contentsOf: list, encoding: .utf8) else { return }
    for pair in text.split(separator: "\n").filter({ $0.hasPrefix(" = sizes ") })
      .flatMap({ $0.dropFirst(9).split(separator: " ") })
    {
      let numbers = pair.split(separator: ":").compactMap { Int($0) }
      #expect(classes.usableSize(numbers[0]) == numbers[1])
    }
  }

  @Test("a larger minimum redirects the odd classes", arguments: [(64, 128, 192), (128, 128, 256)])
  func minimum(minimum: Int, for96: Int, for192: Int) {
    let classes = KmallocClasses(minimum: minimum, rules: Self.rules)
    #expect(classes.usableSize(1) == minimum)
    #expect(classes.usableSize(96) == for96)
    #expect(classes.usableSize(192) == for192)
  }

  @Test("DMA goes before reclaimable, reclaimable before accounted")
  func families() {
    #expect(KmallocFamily(.kernel) == .normal)
    #expect(KmallocFamily(.kernelAccount) == .cgroup)
    #expect(KmallocFamily([.kernelAccount, .reclaimable]) == .reclaim)
    #expect(KmallocFamily([.kernelAccount, .reclaimable, .dma]) == .dma)
  }

  @Test("an array whose bytes overflow has no size")
  func arrayOverflow() {
    #expect(KmallocClasses.arrayBytes(count: 1 << 62, size: 4) == nil)
    #expect(KmallocClasses.arrayBytes(count: 16, size: 8) == 128)
  }
}
