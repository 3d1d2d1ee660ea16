import Foundation
import Topology

/// Machines through hwloc and libnuma: the safe face of this module.
///
/// A file is read and checked here, a synthetic string measured, before hwloc sees it: hwloc is
/// made for files that it wrote itself and ends the process on others.
public enum HostTopology {
  /// The machine that `source` names.
  ///
  /// The environment's HWLOC_XMLFILE and HWLOC_SYNTHETIC take the place of the host, as in all
  /// tools that use hwloc.
  ///
  /// - Throws: a coded error; hwloc itself says nothing on stderr.
  public static func describe(
    _ source: MachineSource
  ) throws(TopologyError) -> MachineDescription {
    quietHwloc()
    let topology: HwlocTopology
    switch source {
    case .host:
      let environment = ProcessInfo.processInfo.environment
      if let path = environment["HWLOC_XMLFILE"], !path.isEmpty {
        return try describe(.file(path))
      }
      if let string = environment["HWLOC_SYNTHETIC"], !string.isEmpty {
        return try describe(.synthetic(string))
      }
      topology = try HwlocTopology.host()
    case .file(let path):
      let file = try TopologyFile.read(path)
      topology = try HwlocTopology.xml(file.cleaned(), named: source.name)
    case .synthetic(let string):
      try SyntheticString.check(string)
      topology = try HwlocTopology.synthetic(string)
    }
    var assembly = Assembly(
      source: source.name, objects: topology.objects(), matrix: topology.latencies())
    if source == .host {
      assembly.overrideFromLibnuma()
    }
    if case .synthetic(let string) = source {
      if !SyntheticString.saysMemory(string) { assembly.forgetMemory() }
      if SyntheticString.leavesCacheSizes(string) { assembly.noteInventedCaches() }
    }
    let machine = assembly.machine()
    try machine.checkLimits()
    machine.checkInvariants()
    return machine
  }
}
