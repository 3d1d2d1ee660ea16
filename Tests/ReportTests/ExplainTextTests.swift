import Hardware
import Kernel
import Testing

@testable import Report
@testable import Run

/// `kmemu explain`: figures of a machine whose real kernel was recorded, and how they are drawn.
@Suite struct ExplainTextTests {
  static func explainer() throws -> Explainer {
    let machine = try #require(RecordedMachine(folderName: "6.12-8c2n"))
    var config = KernelConfig()
    config.transparentHugePages = false
    config.managedPages = KnownGuest.managedPages(
      of: machine, kernel: "6.12", slab: .slub)
    config.lowMemoryEnd = RecordedMachine.guestLowMemoryEnd
    return Explainer(
      Boot(
        machine: machine.description, costs: try CostFile.named("generic-x86"), config: config))
  }

  /// Rows of slab_params.csv of a recorded boot with 8 CPUs (6.12.117).
  @Test func slabsAreTheRecordedOnes() throws {
    let table = try #require(try Self.explainer().slabs().tables.first)
    let row = try #require(table.rows.first { $0.first == .text("kmalloc-256") })
    #expect(row.dropFirst() == [256, 256, 256, 1, 32, 52, 4, 5].map { .number($0) }[...])
    #expect(table.rows.count == 13)
  }

  /// `pcp.cpu2.n0.Normal … batch=31 high_min=124 high_max=3894` of the recorded lists.
  @Test func listLimitsAreTheRecordedOnes() throws {
    let table = try #require(try Self.explainer().pageLists().tables.first)
    let row = try #require(table.rows.first { $0[0] == .number(0) && $0[1] == .text("Normal") })
    #expect(row.dropFirst(2) == [124_617, 31, 124, 3894].map { .number($0) }[...])
  }

  /// 8 CPUs: fls(8) * 32 MiB, as the recorded lists print `vmap.lazy_max_pages`.
  @Test func lazyMaxPagesIsTheRecordedOne() throws {
    let facts = try Self.explainer().vmalloc().facts
    #expect(facts.first { $0.name == "lazy_max_pages" }?.value == .number(32_768))
  }

  /// Nine bits a level from bit 12 up; vmalloc begins at 0xffffc90000000000 (mm.rst of x86-64).
  @Test func anAddressIsReadLevelByLevel() throws {
    let explainer = try Self.explainer()
    let first = try #require(explainer.address("0xffffc90000000000"))
    #expect(
      first.tables.first?.rows.map { $0[1] } == [402, 0, 0, 0].map { .number($0) })
    let other = try #require(explainer.address("ffffc90040403000"))
    #expect(
      other.tables.first?.rows.map { $0[1] } == [402, 1, 2, 3].map { .number($0) })
    #expect(explainer.address("0xnumber") == nil)
  }

  @Test func everyTopicFitsTheScreenAndIsJSON() throws {
    let explainer = try Self.explainer()
    var all = [
      explainer.slabs(), explainer.pageLists(), explainer.watermarks(), explainer.vmalloc(),
      Explanation.allGFP,
    ]
    all.append(try #require(explainer.cache("kmalloc-rcl-96")))
    all += GFPFlags.names.compactMap { Explanation(gfp: $0.name) }
    #expect(all.count == 6 + GFPFlags.names.count)
    for found in all {
      for line in ExplainText.render(found).split(separator: "\n") {
        #expect(line.count <= 80, "\(line)")
      }
      #expect(ExplainText.json(found).hasPrefix("{"))
      #expect(ExplainText.json(found).contains("kmemu.explain/1"))
    }
    #expect(explainer.cache("nobody") == nil)
  }

  @Test func gfpMasksSayWhatTheyAllow() throws {
    let atomic = try #require(Explanation(gfp: "GFP_ATOMIC|__GFP_ZERO"))
    func value(_ name: String) -> Explanation.Value? {
      atomic.facts.first { $0.name == name }?.value
    }
    #expect(value("may sleep") == .text("no"))
    #expect(value("reserves") == .text("to 3/8 of min"))
    #expect(value("zeroed") == .text("yes"))
    #expect(Explanation(gfp: "GFP_ATOMC") == nil)
    #expect(Explanation(gfp: "") == nil)
  }
}
