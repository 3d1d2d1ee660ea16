import Hardware
import Simulation
import Testing
import Topology

@testable import Kernel

/// Flushes against what was published of them: shapes, since the machines are not those of a cost
/// file. The figures that the comparison gives are in docs/FIDELITY.md.
@Suite struct PublishedFlushTests {
  private func rig(_ release: String, _ cpu: String, cpus: Int) throws -> VmallocRig {
    try VmallocRig(
      cpus: cpus, version: try #require(KernelVersion(named: release)),
      cpu: try CPUFile.named(cpu))
  }

  /// What a flush of so many pages takes the CPU that asks, alone.
  private func cost(pages: UInt32, _ release: String = "6.12") throws -> Duration {
    var rig = try rig(release, "cascade-lake", cpus: 1)
    let start = rig.machine.world.vmalloc.start
    let before = rig.machine.now
    rig.run([.call(.flushTLBKernelRange(.start(start, pages: pages)))])
    return rig.machine.now - before
  }

  /// Source: Dave Hansen, "x86: mm: set TLB flush tunable to sane value", February 2014, and Ingo
  /// Molnar and he in "TLB flush multiple pages per IPI v5", June 2015: INVLPG takes 216 to 284
  /// cycles, a range grows by 262 cycles a page with tracing; 33 pages and no more are flushed so.
  @Test("a page costs what INVLPG was measured to cost, and above 33 pages no page costs any more")
  func byPages() throws {
    let slope = (try cost(pages: 33) - cost(pages: 1)).nanoseconds / 32
    #expect((216.0...284.0).contains(slope * 3), "cycles at 3 GHz: \(slope * 3)")
    for pages in 1..<33 as Range<UInt32> {
      #expect(try cost(pages: pages) < cost(pages: pages + 1))
    }
    #expect(try cost(pages: 34) < cost(pages: 4), "a full flush is the cheaper one from 4 pages on")
    #expect(try cost(pages: 34) == cost(pages: 50_000))
    #expect(try cost(pages: 1, "3.10") == cost(pages: 34), "before 3.15 all is flushed")
  }

  /// Flushes a second of `threads` CPUs together, each with 3 us of its own between two.
  private func rate(_ release: String, threads: Int) throws -> Double {
    var rig = try rig(release, "zen3", cpus: threads)
    let start = rig.machine.world.vmalloc.start
    let rounds = 30
    for place in 0..<rounds {
      rig.machine.world.scripts[2 * place] = .run(.nanoseconds(3000))
      rig.machine.world.scripts[2 * place + 1] = .call(
        .flushTLBKernelRange(.start(start, pages: 1)))
    }
    let before = rig.machine.now
    for cpu in 0..<threads {
      rig.machine.start(
        .script(Script(from: 0, to: 2 * rounds)), on: CPUID(cpu), at: rig.machine.now)
    }
    let halt = rig.machine.run()
    #expect(halt == .nothingLeft)
    return Double(threads * rounds) / (rig.machine.now - before).nanoseconds * 1e6
  }

  /// Source: Rik van Riel, commit 4afeb0ed1753 (6.15): tlb_flush2_threads on 72 CPUs of Milan, 10^3
  /// loops a second. Flushes of kernel addresses stand for those of a process, whose other costs
  /// (its locks, above all) are left out, so only the shape is asked for.
  @Test("with interrupts each thread gets less the more there are; a broadcast holds up longer")
  func broadcast() throws {
    let published: [(threads: Int, ipi: Double, broadcast: Double)] = [
      (1, 315, 304), (2, 423, 424), (4, 644, 1032), (8, 652, 1267), (16, 737, 1368),
      (32, 759, 1199), (64, 636, 1094),
    ]
    var (ipi, broadcast): ([Double], [Double]) = ([], [])
    for row in published {
      ipi.append(try rate("6.14", threads: row.threads))
      broadcast.append(try rate("6.15", threads: row.threads))
    }
    for (place, row) in published.enumerated() where row.threads >= 8 {
      #expect(broadcast[place] / ipi[place] > 1.2, "\(row.threads) threads: \(ipi) \(broadcast)")
    }
    // Published, the sum falls again from 32 threads on, which the locks of a process may do: here
    // each thread gets less, down to a quarter of what one had alone.
    #expect(ipi[6] / 64 < ipi[0] / 4, "\(ipi)")
    #expect(broadcast[6] / 64 > ipi[6] / 64, "\(broadcast)")
  }
}
