import Foundation
import Kernel
import Testing

@testable import Run

/// Operation lists of 6.1.192 built with CONFIG_SLAB (ground truth recording), run on the emulated
/// machine. The lists are not copied into the package: where they are absent, nothing is compared.
@Suite struct ArrayListTests {
  static let names = [
    "slab_fill", "slab_free_fifo", "slab_free_remote", "slab_cpu_partial_256",
    "slab_cpu_partial_64_remote", "slab_min_partial", "slab_numa_node", "slab_orders",
    "slab_producer_consumer", "slab_random", "slab_contexts", "slab_two_caches_cpu_spread",
    "kmalloc_sizes",
  ]

  @Test("every core figure of a recorded list agrees", arguments: names)
  func agrees(name: String) throws {
    let url = Recordings.folder.appendingPathComponent("open/6.1slab-8c2n/\(name).vec")
    guard let text = try? String(contentsOf: url, encoding: .utf8) else {
      print("skipped: no list at \(url.path)")
      return
    }
    let found = try Verifier().compare(Recording(file: "\(name).vec", text: text))
    #expect(found.unsupported == nil)
    #expect(found.figures > 10)
    #expect(found.differences.isEmpty, "\(found.differences.prefix(3))")
  }

  @Test("the header says which allocator the kernel was built with")
  func header() throws {
    let text = """
      # a: b
      # kernel 6.1.192 built with CONFIG_SLAB (small config); 8 CPUs, 2 nodes (CPUs 0-3, 4-7), 3 GiB; 3 boots
      op 1 cache cache=s1 size=64
      """
    let slab = try OperationList(parsing: text, file: "a.vec").guest.configuration.slab
    #expect(slab == .slab)
    let plain = text.replacingOccurrences(of: " built with CONFIG_SLAB (small config)", with: "")
    let standard = try OperationList(parsing: plain, file: "a.vec").guest.configuration.slab
    #expect(standard == .slub)
  }
}
