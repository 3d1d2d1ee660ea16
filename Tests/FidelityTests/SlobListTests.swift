import Foundation
import Kernel
import Testing

@testable import Run

/// Operation lists of 6.1.192 built with CONFIG_SLOB (ground truth recording), run on the emulated
/// machine. The lists are not copied into the package: where they are absent, nothing is compared.
@Suite struct SlobListTests {
  static let names = [
    "slab_fill", "slab_free_remote", "slab_cpu_partial_256", "slab_cpu_partial_64_remote",
    "slab_orders", "slab_random", "slab_contexts", "slab_two_caches_cpu_spread", "kmalloc_sizes",
    "vmalloc_small", "pcp_orders",
  ]

  @Test("every firm figure of a recorded list agrees", arguments: names)
  func agrees(name: String) throws {
    let url = Recordings.folder.appendingPathComponent("open/6.1slob-8c2n/\(name).vec")
    guard let text = try? String(contentsOf: url, encoding: .utf8) else {
      print("skipped: no list at \(url.path)")
      return
    }
    let found = try Verifier().compare(Recording(file: "\(name).vec", text: text))
    #expect(found.unsupported == nil)
    #expect(found.figures > 4)
    #expect(found.differences.isEmpty, "\(found.differences.prefix(3))")
  }

  /// What a set got from where depends on others' holes: only what it holds, and what follows the
  /// last free, counts.
  @Test func onlyFirmFiguresCount() throws {
    let list = """
      # a: b
      # kernel 6.1.192 built with CONFIG_SLOB (small config); 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; 3 boots
      op 1 cache cache=s1 size=64
       = result.size 65
      op 2 alloc cpu=2 cache=s1 n=10 set=a
       = result.held 11
       = ev.page_alloc.o0.m0 77
      op 3 free cpu=2 set=a
       = result.held 0
       = ev.page_free.o0 77
      op 4 shrink cache=s1
       = ev.page_alloc.o0.m0 7
       = ev.page_free.o0 3
      """
    let found = try Verifier().compare(Recording(file: "a.vec", text: list))
    #expect(found.differences.map(\.key) == ["result.held", "ev.page_alloc.o0.m0"])
    #expect(found.differences.last?.emulated == "2")
    #expect(found.figures == 4)
  }
}
