import Foundation
import HostTopology
import Topology

/// Where scenarios come from: a file, or a bundled one by its name.
package enum Scenarios {
  /// A scenario that comes with the program.
  package struct Bundled: Sendable {
    package let name: String
    package let text: String

    /// Its `title:` line.
    package var title: String {
      let line = text.split(separator: "\n").first { $0.hasPrefix("title:") }
      return line.map { $0.dropFirst("title:".count).trimmingCharacters(in: .whitespaces) } ?? name
    }
  }

  /// In the order in which a newcomer reads them: the files of Scenarios/examples.
  package static let bundled: [Bundled] = [
    ("kmalloc-example", PackageResources.kmalloc_example_yaml),
    ("vmalloc-example", PackageResources.vmalloc_example_yaml),
    ("kmalloc-storm", PackageResources.kmalloc_storm_yaml),
    ("remote-free", PackageResources.remote_free_yaml),
    ("slub-remote-storm", PackageResources.slub_remote_storm_yaml),
    ("kmalloc-classes", PackageResources.kmalloc_classes_yaml),
    ("leak-hunt", PackageResources.leak_hunt_yaml),
    ("ticket-vs-queued", PackageResources.ticket_vs_queued_yaml),
    ("abba-deadlock", PackageResources.abba_deadlock_yaml),
    ("bulk-network", PackageResources.bulk_network_yaml),
    ("slab-alien-caches", PackageResources.slab_alien_caches_yaml),
    ("slob-small-machine", PackageResources.slob_small_machine_yaml),
    ("sheaves-vs-cpu-slabs", PackageResources.sheaves_vs_cpu_slabs_yaml),
    ("vmalloc-shootdown", PackageResources.vmalloc_shootdown_yaml),
    ("vmalloc-across-releases", PackageResources.vmalloc_across_releases_yaml),
    ("shootdown-bystanders", PackageResources.shootdown_bystanders_yaml),
    ("irqs-off-shootdown", PackageResources.irqs_off_shootdown_yaml),
    ("deferred-work", PackageResources.deferred_work_yaml),
    ("vfree-storm", PackageResources.vfree_storm_yaml),
    ("huge-vmalloc", PackageResources.huge_vmalloc_yaml),
    ("module-load", PackageResources.module_load_yaml),
    ("arm32-exhaustion", PackageResources.arm32_exhaustion_yaml),
    ("arm64-broadcast", PackageResources.arm64_broadcast_yaml),
    ("xfs-buffers", PackageResources.xfs_buffers_yaml),
    ("swap-map", PackageResources.swap_map_yaml),
    ("kvmalloc-fragmented", PackageResources.kvmalloc_fragmented_yaml),
    ("test-vmalloc-fix-size", PackageResources.test_vmalloc_fix_size_yaml),
    ("test-vmalloc-full-fit", PackageResources.test_vmalloc_full_fit_yaml),
    ("test-vmalloc-long-busy-list", PackageResources.test_vmalloc_long_busy_list_yaml),
    ("test-vmalloc-random-size", PackageResources.test_vmalloc_random_size_yaml),
    ("test-vmalloc-fix-align", PackageResources.test_vmalloc_fix_align_yaml),
    ("test-vmalloc-map-ram", PackageResources.test_vmalloc_map_ram_yaml),
    ("nic-atomic", PackageResources.nic_atomic_yaml),
    ("rt-kernel", PackageResources.rt_kernel_yaml),
    ("sleep-in-atomic", PackageResources.sleep_in_atomic_yaml),
    ("softirq-budget", PackageResources.softirq_budget_yaml),
  ].map { Bundled(name: $0.0, text: String(decoding: $0.1, as: UTF8.self)) }

  /// Reads and checks a scenario: a bundled one by its name, else a file. A file of the same name
  /// as a bundled scenario is meant when it is written with a slash or its ending.
  ///
  /// - Throws: everything that is wrong with it.
  package static func load(
    _ nameOrPath: String, _ overrides: Overrides = Overrides()
  ) throws(ScenarioError) -> CheckedScenario {
    if let known = bundled.first(where: { $0.name == nameOrPath }) {
      return try check(
        Array(known.text.utf8), file: "\(known.name).yaml", overrides: overrides)
    }
    switch readFile(nameOrPath) {
    case .success(let bytes):
      return try check(
        bytes, file: nameOrPath, folder: folder(of: nameOrPath), overrides: overrides)
    case .failure(let failure): throw missing(nameOrPath, failure)
    }
  }

  /// Checks the bytes of a scenario.
  ///
  /// - Parameters:
  ///   - folder: where paths in it begin.
  ///   - describe: gives the machine that a topology names.
  package static func check(
    _ bytes: [UInt8], file: String, folder: String = "", overrides: Overrides = Overrides(),
    describe: (MachineSource) throws(TopologyError) -> MachineDescription = HostTopology.describe
  ) throws(ScenarioError) -> CheckedScenario {
    try withoutActuallyEscaping(describe) { describe throws(ScenarioError) in
      let reader = ScenarioReader(
        name: name(of: file), folder: folder, overrides: overrides, describe: describe,
        readFile: readFile)
      return try reader.check(bytes, file: file)
    }
  }

  /// The file's name without folder and ending.
  private static func name(of file: String) -> String {
    let last = file.split(separator: "/").last.map(String.init) ?? file
    for ending in [".yaml", ".yml"] where last.hasSuffix(ending) && last.count > ending.count {
      return String(last.dropLast(ending.count))
    }
    return last
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ""
  }

  private static func missing(_ name: String, _ failure: FileFailure) -> ScenarioError {
    let names = bundled.map(\.name)
    let isName = !name.contains("/") && !name.contains(".")
    let nearest = Spelling.nearest(to: name, among: names)
    let shown = Spelling.shown(name)
    return ScenarioError(
      [
        Diagnostic(
          isName ? .unknownScenario : .missing,
          isName
            ? "no scenario is called `\(shown)`, and \(failure.reason)"
            : "cannot read \(shown): \(failure.reason)",
          at: nil, label: nearest.map { "did you mean `\($0)`?" } ?? "",
          notes: ["bundled: \(names.joined(separator: ", "))"])
      ], isMissing: true)
  }

  /// Reads a file, up to a little more than a scenario may be, so that its reader sees that.
  private static func readFile(_ path: String) -> Result<[UInt8], FileFailure> {
    let url = URL(fileURLWithPath: path)
    // Of a symbolic link, what it leads to.
    let target = url.resolvingSymlinksInPath().path
    guard !path.isEmpty, FileManager.default.fileExists(atPath: target) || path.hasPrefix("/dev/")
    else { return .failure(FileFailure(reason: "there is no such file")) }
    let attributes = try? FileManager.default.attributesOfItem(atPath: target)
    if attributes?[.type] as? FileAttributeType == .typeDirectory {
      return .failure(FileFailure(reason: "it is a directory"))
    }
    do {
      let handle = try FileHandle(forReadingFrom: url)
      let data = try handle.read(upToCount: ScenarioLimits.fileBytesMax + 1)
      return .success(Array(data ?? Data()))
    } catch {
      let inner = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError
      return .failure(
        FileFailure(reason: inner?.localizedDescription ?? error.localizedDescription))
    }
  }
}
