import Foundation
import Testing

@testable import Report
@testable import Run

/// Fails with the first line that differs, so that a long text need not be read twice.
func expectSameText(
  _ found: String, _ expected: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  let found = found.split(separator: "\n", omittingEmptySubsequences: false)
  let expected = expected.split(separator: "\n", omittingEmptySubsequences: false)
  for (number, (mine, theirs)) in zip(found, expected).enumerated() where mine != theirs {
    Issue.record(
      "line \(number + 1)\n  found    |\(mine)|\n  expected |\(theirs)|",
      sourceLocation: sourceLocation)
    return
  }
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
}

/// No line of a report is longer than a terminal.
func expectNarrow(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
  for line in text.split(separator: "\n") where line.count > 80 {
    Issue.record("\(line.count) columns: \(line)", sourceLocation: sourceLocation)
  }
}

@Suite struct FiguresTests {
  @Test(arguments: [
    (0.0, "0 ns"), (21, "21 ns"), (21.34, "21.3 ns"), (3.14159, "3.14 ns"), (290.4, "290 ns"),
    (999.4, "999 ns"), (999.6, "1.00 us"), (4100, "4.10 us"), (99_960, "100 us"),
    (1.2e6, "1.20 ms"), (72.8e6, "72.8 ms"), (2e9, "2.00 s"), (9.9e12, "9900 s"),
  ]) func timesHaveThreeDigits(_ time: Double, _ text: String) {
    #expect(Figures.time(time) == text)
  }

  @Test func countsAreGrouped() {
    #expect(Figures.count(7) == "7")
    #expect(Figures.count(612_334) == "612 334")
    #expect(Figures.count(UInt64.max) == "18 446 744 073 709 551 615")
    #expect(Figures.count(-1234) == "-1 234")
  }

  @Test func oddNumbersDoNotStopAReport() {
    #expect(Figures.time(.nan) == "0 ns")
    #expect(Figures.time(.infinity) == "0 ns")
    #expect(Figures.time(1e300).hasSuffix(" s"))
    #expect(Figures.percent(1, of: 0) == "0.0 %")
    #expect(Figures.percent(-0.01, of: 100) == "0.0 %")
  }
}

@Suite struct TextReportTests {
  /// The golden text: changes of the report's look are seen here.
  @Test func looksLikeThis() {
    expectSameText(TextReport.render(.sample()), Self.golden)
    expectNarrow(Self.golden)
  }

  @Test func noLineIsLongerThanATerminal() {
    var result = RunResult.sample()
    result.title = String(repeating: "a title that goes on and on ", count: 9)
    result.notes = [
      String(repeating: "a default was used because the file said nothing. ", count: 4)
    ]
    result.violations = (0..<3).map { RunResult.violation(cpu: $0, timeNs: 1_204_000) }
    result.violationCount = 3
    result.expectations = [
      .init(text: String(repeating: "p99(kmalloc) < 1us ", count: 8), held: false, value: "2 us")
    ]
    result.operations["an operation with a name that is longer than the line is wide, surely so"] =
      result.operations["kfree"]
    for lock in 0..<40 {
      result.locks.append(result.locks[0])
      result.locks[result.locks.count - 1].name = "lock \(lock) of a cache with a very long name"
    }
    expectNarrow(TextReport.render(result))
    expectNarrow(TextReport.render(result, .init(isVerbose: true)))
  }

  @Test func emptyRunsSaySo() {
    let text = TextReport.render(.empty())
    #expect(text.contains("no operation was measured"))
    #expect(text.contains("violations  none"))
    #expect(!text.contains("nan"))
    expectNarrow(TextReport.render(.empty(), .init(isVerbose: true)))
  }

  @Test func aFailedExpectationSaysWhatWasFound() {
    var result = RunResult.sample()
    result.expectations = [
      .init(text: "violations == 0", held: true, value: "0"),
      .init(text: "p99(kfree) < 500ns", held: false, value: "610 ns"),
    ]
    let text = TextReport.render(result)
    #expect(text.contains("failed: p99(kfree) < 500ns: it is 610 ns"))
    #expect(text.contains("expectations  1 held, 1 failed"))
    #expect(!text.contains("violations == 0"))
    result.expectations[1].value = RunResult.Expectation.unmeasured
    #expect(TextReport.render(result).contains("failed: p99(kfree) < 500ns: nothing was measured"))
  }

  @Test func violationsReadLikeTheKernelsAndAlikeOnesAreSaidOnce() {
    var result = RunResult.sample()
    result.violations = [
      RunResult.violation(cpu: 3, timeNs: 1_204_000),
      RunResult.violation(cpu: 4, timeNs: 1_300_000),
    ]
    result.violationCount = 2
    let text = TextReport.render(result)
    #expect(text.contains(Self.splat))
    #expect(text.contains("violations  2"))
  }

  @Test func violationsThatWereOnlyCountedAreNotSaidToBeShown() {
    var result = RunResult.sample()
    result.violations = (0..<50).map { RunResult.violation(cpu: $0 % 4, timeNs: 1) }
    result.violationCount = 1252
    let text = TextReport.render(result).replacing(/\s+/, with: " ")
    #expect(
      text.contains(
        "1 252 violations in all: the first of each kind were kept, 50 together, and the others"
          + " only counted"))
    #expect(!text.contains("are shown"))
  }

  @Test func slowFreesOfTheSameCPUAreNotCalledRemote() {
    var result = RunResult.sample()
    result.caches[0].stats["free_remote_cpu"] = 12_000
    result.caches[0].stats["free_remote_node"] = 0
    let text = TextReport.render(result)
    #expect(text.contains("Of frees to kmalloc-256 88.0 % took the slow path"))
    #expect(!text.contains("on another CPU than the"))
  }

  @Test func aDrainThatDoesNotGetItsTurnIsSaid() {
    var result = RunResult.sample()
    result.vmalloc.lazyPages = 4 * result.vmalloc.lazyMaxPages
    #expect(!TextReport.render(result).contains("drain_vmap_work"))
    result.vmalloc.lazyPages = 5 * result.vmalloc.lazyMaxPages
    let text = TextReport.render(result)
    #expect(text.contains("245 760 lazy pages wait for a purge, 5 times lazy_max_pages"))
    expectNarrow(text)
  }

  @Test func interruptedRunsAreMarked() {
    var result = RunResult.sample()
    result.ended = "interrupted"
    #expect(TextReport.render(result).contains("interrupted after 20.0 ms"))
  }

  @Test func figuresStayWithTheirUnits() {
    for width in 20...60 {
      let text = Figures.wrapped(
        "waited 1.20 us, 1 234 times, 31.4 % of it; 64 GiB, and 2 packages", width: width)
      for line in text.split(separator: "\n") {
        for unit in ["us,", "234", "%", "GiB,"] { #expect(!line.hasPrefix(unit), "\(text)") }
      }
    }
  }

  @Test func operationsThatNeverRanAreNamed() throws {
    var result = RunResult.sample()
    var idle = try #require(result.operations["kfree"])
    (idle.count, idle.failed) = (0, 0)
    result.operations["krealloc"] = idle
    #expect(TextReport.render(result).contains("  never called: krealloc\n"))
  }

  @Test func whatWasAssumedIsSaid() {
    var result = RunResult.sample()
    result.notes = ["The source gives no memory sizes: 16 GiB a node are assumed."]
    #expect(
      TextReport.render(result).contains(
        "assumed\n  The source gives no memory sizes: 16 GiB a node are assumed.\n"))
  }

  @Test func colourIsOnlyThereWhenAsked() {
    var result = RunResult.sample()
    result.violations = [RunResult.violation(cpu: 3, timeNs: 1)]
    result.violationCount = 1
    #expect(!TextReport.render(result).contains("\u{1B}"))
    let colored = TextReport.render(result, .init(isColored: true))
    #expect(colored.contains("\u{1B}[1;31m"))
    #expect(colored.replacing(/\u{1B}\[[0-9;]*m/, with: "") == TextReport.render(result))
  }

  private static let splat = """
    BUG: sleeping function called from invalid context at alloc_vmap_area
      CPU 3, t=1.20 ms, in softirq net-rx, interrupted thread reader
      path: net_rx_action > vmalloc > __vmalloc_node > alloc_vmap_area
      vmalloc may sleep and must not be called in interrupt context. Use kmalloc
        with GFP_ATOMIC (<= 8 KiB here stays in slabs), or defer to a work queue.
      and 1 more like it, on CPUs 3-4
    """

  private static let golden = """
    remote-free: one node allocates, the other frees
    Linux 6.12 on host: 2 x 16 CPUs (2 nodes, distance 21, 64 GiB), costs
      xeon-8375c, seed 1
    20.0 ms emulated in 410 ms: 8.90 M events, 21.7 M/s fingerprint 00000ab35f0c9e1d

    operation            count  failed      rate      p50      p90      p99      max
      kmalloc(256)     612 334       0  30.6 M/s    21 ns  36.8 ns   290 ns  4.07 us
      kfree            611 902       0  30.6 M/s  64.2 ns   112 ns   610 ns  8.54 us
      kmem_cache_alloc(a_cache_with_a_long_name)
                             3       0    150 /s   120 us   210 us  4.00 ms  56.0 ms

    where the time went            of CPU time   CPU time   top path
      slab allocator                    31.4 %     201 ms   __slab_free
      cache lines from elsewhere        27.9 %     179 ms
      waiting for locks                 18.2 %     116 ms   list_lock kmalloc-256/0
      workload's own work               16.9 %     108 ms
      page allocator                     3.1 %    19.8 ms   rmqueue_pcplist
      idle                               2.5 %    16.0 ms

    locks                      contended  total wait  max wait  avg wait  type
      list_lock kmalloc-256/0     41 209     72.8 ms   7.28 us   1.77 us  spinlock
      zone Normal/0                  211      104 us   10.4 ns    493 ns  spinlock

    caches            objsize slabs objects used fast path refill new slab fast free
      kmalloc-256         256   412  13 184 90 %    88.3 % 11.5 %    0.2 %    12.0 %

    slabs                objects objsize    space slabs/part/cpu O/S O %Fr %Ef flags
      kmalloc-256         11 997     256 3.22 MiB        412/9/0  32 1   2  90
      3.22 MiB in all

    vmalloc
      areas 2 with 516 pages (allocated 3, freed lazily 1, from interrupts 0, purged
      0); lazy pages 17 of at most 49 152; purges 1; TLB misses 4

    shootdowns      count  IPIs  received  flush all  flush one  mean wait  max wait
      all CPUs          2    62        62          0          0    3.10 us   4.20 us
      CPU 17 answered last in the longest one

    interrupts                 arrivals   a second   on CPUs
      eth0                           12       600    0-1
      handled 12, calls from other CPUs 62, softirqs 12, wake-ups of ksoftirqd 3,
      context switches 5, the longest wait for a CPU 900 ns

    zones, in pages           managed     free    min    low   high  largest blocks
      node 0 DMA32            767 744  767 000  5 283  6 603  7 923  748 of order 10
      node 0 Normal           767 744  767 000  5 283  6 603  7 923  748 of order 10
      node 1 Normal           767 744  767 000  5 283  6 603  7 923  748 of order 10

    counters
      ipis_sent        62    pgalloc_normal  824

    worth a look
      Waiting for locks took 18.7 % of busy CPU time, 99.9 % of it for list_lock
        kmalloc-256/0, which was held 60.7 % of the time.
      89.9 % of frees to kmalloc-256 were on another CPU than the allocation, 87.9 %
        on another node than the slab's; 88.0 % took the slow path, which pays for
        the slab's line.
      Fetching cache lines from other CPUs took 28.6 % of busy CPU time.
      ksoftirqd was woken 3 times: softirqs came faster than interrupts handle them,
        and shared their CPUs with threads.

    expectations  none        violations  none

    """
}
