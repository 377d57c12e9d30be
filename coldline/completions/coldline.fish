# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/generate makes this file with shtab.

function _shtab_coldline_scan
  set -g _shtab_coldline_cmdpath ''
  set -g _shtab_coldline_npos 0
  set -l tokens (commandline -opc)
  set -e tokens[1]
  set -l expect_value 0
  for t in $tokens
    if test $expect_value -eq 1
      set expect_value 0
      continue
    end
    switch "$t"
      case '--*=*'
        continue
      case '-*'
        if contains -- $t $_shtab_coldline_opts_with_value
          set expect_value 1
        end
        continue
      case '*'
        if test $_shtab_coldline_npos -eq 0
          set -l candidate $t
          if test -n "$_shtab_coldline_cmdpath"
            set candidate "$_shtab_coldline_cmdpath $t"
          end
          if contains -- $candidate $_shtab_coldline_commands
            set -g _shtab_coldline_cmdpath $candidate
            continue
          end
        end
        set -g _shtab_coldline_npos (math $_shtab_coldline_npos + 1)
    end
  end
end

# Condition helper: true if the current (sub)command path equals the given one.
function _shtab_coldline_using
  _shtab_coldline_scan
  test "$_shtab_coldline_cmdpath" = "$argv"
end

set -g _shtab_coldline_commands boot check convert corpus matrix plan rules create console list pause unpause destroy completion
set -g _shtab_coldline_opts_with_value --append --arch --bios --cmdline --core --dtb --dtb-only --dtb-out --el --entry --fit-config --format --from --gic --hazards --host --initrd --load --machine --max-hazards --max-image --max-instructions --max-unpacked --memory --mmio --name --ram --ramdisk --sample --schedule --secondary --stories --strategy --svg --to --trace --trace-format --uart --until --vcpus --write

complete -c coldline -e
complete -c coldline -f

complete -c coldline -n _shtab_coldline_using -s h -l help -d 'show this help message and exit'
complete -c coldline -n _shtab_coldline_using -l version -d 'show program'"'"'s version number and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a boot -d 'Build a guest on a simulated host, run its boot code on an emulator, and check every access: can any cache show it stale data?'
complete -c coldline -n '_shtab_coldline_using boot' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using boot' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64 or midway-arm32'
complete -c coldline -n '_shtab_coldline_using boot' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware, in place of IMAGE; it starts in the flash of --machine virt'
complete -c coldline -n '_shtab_coldline_using boot' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'initial RAM disk'
complete -c coldline -n '_shtab_coldline_using boot' -l append -l cmdline -x -d 'kernel command line'
complete -c coldline -n '_shtab_coldline_using boot' -l memory -x -d 'size of RAM; a number without a unit is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using boot' -l vcpus -x -d 'number of vCPUs (default 1): see --secondary'
complete -c coldline -n '_shtab_coldline_using boot' -l gic -xka "2 3" -d 'version of the GIC, 2 or 3 (default 3; for virt and arm32 2)'
complete -c coldline -n '_shtab_coldline_using boot' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'partial device tree to merge into the generated one: its /passthrough and /aliases, as with xl'"'"'s device_tree'
complete -c coldline -n '_shtab_coldline_using boot' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'complete device tree to use in place of the generated one'
complete -c coldline -n '_shtab_coldline_using boot' -l el -xka "1 2" -d 'exception level at entry: 1 (the default) or 2'
complete -c coldline -n '_shtab_coldline_using boot' -l fit-config -x -d 'configuration of a FIT to use in place of its default'
complete -c coldline -n '_shtab_coldline_using boot' -l load -x -d 'load IMAGE as raw bytes at this address; needs --entry and --arch'
complete -c coldline -n '_shtab_coldline_using boot' -l entry -x -d 'entry point of a raw IMAGE'
complete -c coldline -n '_shtab_coldline_using boot' -l arch -xka "arm64 arm32" -d 'architecture of IMAGE or --bios, if its file does not name it'
complete -c coldline -n '_shtab_coldline_using boot' -l max-image -x -d 'maximum size of a file (default 1G)'
complete -c coldline -n '_shtab_coldline_using boot' -l max-unpacked -x -d 'maximum size of a kernel unpacked (default 1G)'
complete -c coldline -n '_shtab_coldline_using boot' -l machine -xka "xenvm virt raspi3b raspi4b" -d 'xenvm (Xen'"'"'s guests; the default), virt (QEMU'"'"'s; the default with --bios), raspi3b or raspi4b; with --dtb-only and no --memory, the default is the machine that the device tree describes'
complete -c coldline -n '_shtab_coldline_using boot' -l ram -x -d 'RAM, in place of the machine'"'"'s; can be repeated'
complete -c coldline -n '_shtab_coldline_using boot' -l uart -x -d 'serial port, in place of the machine'"'"'s, such as pl011,0x3f201000 or ns16550-32,0x1c28000; can be repeated'
complete -c coldline -n '_shtab_coldline_using boot' -l mmio -x -d 'registers that read as VALUE (default 0) and ignore stores, before any device there; can be repeated'
complete -c coldline -n '_shtab_coldline_using boot' -l mmio-default -d 'all addresses without RAM or a device are registers that read as 0 and ignore stores'
complete -c coldline -n '_shtab_coldline_using boot' -l strategy -xka "none flush syscall uncached hypercall uncached-hypercall" -d 'how the builder writes the guest'"'"'s memory: none, flush (arm64), syscall (arm32), uncached (the default), hypercall or uncached-hypercall; hosts without a hypervisor have none'
complete -c coldline -n '_shtab_coldline_using boot' -l host -xka "rfc xen-4.17-arm64 xen-4.17-arm32 xen-4.22-arm64 kvm-arm64 kvm-s2fwb bootloader bootloader-dirty warm-reset clean-reset" -d 'host model: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64 or kvm-s2fwb; or, without a hypervisor, bootloader, bootloader-dirty, warm-reset or clean-reset (default: rfc for a kernel, bootloader for an ELF program, a raw image and --machine virt, warm-reset for --bios)'
complete -c coldline -n '_shtab_coldline_using boot' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using boot' -l until -x -d 'when to stop: mmu (the MMU is turned on), psci (the first PSCI call; the default), off (SYSTEM_OFF), console:TEXT (TEXT is printed) or a number of instructions; a run without a hazard that ends before this is inconclusive'
complete -c coldline -n '_shtab_coldline_using boot' -l schedule -x -d 'order of the vCPUs'"'"' turns: rr:N (in turn, N instructions each; the default is rr:1000) or random:SEED'
complete -c coldline -n '_shtab_coldline_using boot' -l secondary -xka "psci start" -d 'how the vCPUs after the first one start: psci (by the guest'"'"'s CPU_ON; the default) or start (at the entry, like the first one)'
complete -c coldline -n '_shtab_coldline_using boot' -l max-instructions -x -d 'maximum number of instructions (default 4,000,000,000)'
complete -c coldline -n '_shtab_coldline_using boot' -l order -d 'follow each core'"'"'s barriers: what it has issued takes effect at any time up to its own barrier'
complete -c coldline -n '_shtab_coldline_using boot' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using boot' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using boot' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using boot' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using boot' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'write every event to FILE, for '"'"'coldline check'"'"''
complete -c coldline -n '_shtab_coldline_using boot' -l trace-format -xka "text binary" -d 'form of that file: text (the default), or binary, which is smaller and faster'
complete -c coldline -n '_shtab_coldline_using boot' -l format -xka "text json witness" -d 'write the report in this format, to FILE or to standard output (can be repeated). text: for people; json: for programs; witness: each hazard as a trace, with the steps of the caches'
complete -c coldline -n '_shtab_coldline_using boot' -l json -d 'short for --format json'
complete -c coldline -n '_shtab_coldline_using boot' -l quiet -d 'print only the verdict and its coverage (not for json)'
complete -c coldline -n '_shtab_coldline_using boot' -l hazards -x -d 'number of hazards to list, each with its story (default: text 100, json 100, witness 100)'
complete -c coldline -n '_shtab_coldline_using boot; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; raw bytes with --load; or a guest configuration file in xl'"'"'s format'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a check -d 'Read traces, in the text form or the binary form, and check every access in them: can any fill or eviction that the architecture allows show stale data?'
complete -c coldline -n '_shtab_coldline_using check' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using check' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using check' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using check' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using check' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using check' -l format -xka "text json witness" -d 'write the report in this format, to FILE or to standard output (can be repeated). text: for people; json: for programs; witness: each hazard as a trace, with the steps of the caches'
complete -c coldline -n '_shtab_coldline_using check' -l json -d 'short for --format json'
complete -c coldline -n '_shtab_coldline_using check' -l witness -d 'short for --format witness'
complete -c coldline -n '_shtab_coldline_using check' -l quiet -d 'print only the verdict and its coverage (not for json)'
complete -c coldline -n '_shtab_coldline_using check' -l hazards -l max-hazards -x -d 'maximum number of hazards to list for each file (default 100,000)'
complete -c coldline -n '_shtab_coldline_using check' -l stories -x -d 'maximum number of hazards to list with a story for each file (default 1000)'
complete -c coldline -n '_shtab_coldline_using check; and test $_shtab_coldline_npos -ge 0' -ka "(__fish_complete_path (commandline -ct))" -d 'trace file; - is standard input'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a convert -d 'Read a trace in either form and write the same events in the other form. The events are not checked, but a file that is not a trace is an error, and then nothing is written.'
complete -c coldline -n '_shtab_coldline_using convert' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using convert' -l to -xka "text binary" -d 'form to write: text or binary (default: the one that IN does not have)'
complete -c coldline -n '_shtab_coldline_using convert; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'trace file; - is standard input'
complete -c coldline -n '_shtab_coldline_using convert; and test $_shtab_coldline_npos -eq 1' -ka "(__fish_complete_path (commandline -ct))" -d 'file to write; - is standard output. On an error it is left as it was'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a corpus -d 'Check the traces of real bugs that come with coldline, and compare each verdict with the expected one. With NAME, print that bug'"'"'s story.'
complete -c coldline -n '_shtab_coldline_using corpus' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using corpus' -l format -xka "text json witness" -d 'write the report in this format, to FILE or to standard output (can be repeated). text: for people; json: for programs'
complete -c coldline -n '_shtab_coldline_using corpus' -l json -d 'short for --format json'
complete -c coldline -n '_shtab_coldline_using corpus' -l list -d 'print names and titles without checking'
complete -c coldline -n '_shtab_coldline_using corpus' -l write -xka "(__fish_complete_directories)" -d 'copy the files into a new directory without checking'
complete -c coldline -n '_shtab_coldline_using corpus' -l from -xka "(__fish_complete_directories)" -d 'use another corpus, in a directory of the same form'
complete -c coldline -n '_shtab_coldline_using corpus; and test $_shtab_coldline_npos -eq 0' -ka "bao-392 edk2-12509 edk2-448 gbl-276f9de6b1b1 kvm-2a8dfab26677 kvm-363ef89f8e9b kvm-7ae2f3db6167 kvm-9d218a1fcf4c libnx-593 linux-8ec41987436d linux-9d2d75ede59b linux-bc9f3d7788a8 linux-d0488597a1b7 linux-da9c177de86d linux-f32c7a8e4510 linux-f7daa9c8fd19 sel4-481 serenity-26763 uboot-d702b0811df5 xen-a0035ecc0d82 xen-ed250c269831 xen-xsa-437 zephyr-113839 zephyr-42546" -d 'a bug; --list prints the names'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a matrix -d 'Boot one guest with every strategy on every host model that has any, and print a table of the verdicts.'
complete -c coldline -n '_shtab_coldline_using matrix' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using matrix' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64 or midway-arm32'
complete -c coldline -n '_shtab_coldline_using matrix' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware, in place of IMAGE; it starts in the flash of --machine virt'
complete -c coldline -n '_shtab_coldline_using matrix' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'initial RAM disk'
complete -c coldline -n '_shtab_coldline_using matrix' -l append -l cmdline -x -d 'kernel command line'
complete -c coldline -n '_shtab_coldline_using matrix' -l memory -x -d 'size of RAM; a number without a unit is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using matrix' -l vcpus -x -d 'number of vCPUs (default 1): see --secondary'
complete -c coldline -n '_shtab_coldline_using matrix' -l gic -xka "2 3" -d 'version of the GIC, 2 or 3 (default 3; for virt and arm32 2)'
complete -c coldline -n '_shtab_coldline_using matrix' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'partial device tree to merge into the generated one: its /passthrough and /aliases, as with xl'"'"'s device_tree'
complete -c coldline -n '_shtab_coldline_using matrix' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'complete device tree to use in place of the generated one'
complete -c coldline -n '_shtab_coldline_using matrix' -l el -xka "1 2" -d 'exception level at entry: 1 (the default) or 2'
complete -c coldline -n '_shtab_coldline_using matrix' -l fit-config -x -d 'configuration of a FIT to use in place of its default'
complete -c coldline -n '_shtab_coldline_using matrix' -l load -x -d 'load IMAGE as raw bytes at this address; needs --entry and --arch'
complete -c coldline -n '_shtab_coldline_using matrix' -l entry -x -d 'entry point of a raw IMAGE'
complete -c coldline -n '_shtab_coldline_using matrix' -l arch -xka "arm64 arm32" -d 'architecture of IMAGE or --bios, if its file does not name it'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-image -x -d 'maximum size of a file (default 1G)'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-unpacked -x -d 'maximum size of a kernel unpacked (default 1G)'
complete -c coldline -n '_shtab_coldline_using matrix' -l machine -xka "xenvm virt raspi3b raspi4b" -d 'xenvm (Xen'"'"'s guests; the default), virt (QEMU'"'"'s; the default with --bios), raspi3b or raspi4b; with --dtb-only and no --memory, the default is the machine that the device tree describes'
complete -c coldline -n '_shtab_coldline_using matrix' -l ram -x -d 'RAM, in place of the machine'"'"'s; can be repeated'
complete -c coldline -n '_shtab_coldline_using matrix' -l uart -x -d 'serial port, in place of the machine'"'"'s, such as pl011,0x3f201000 or ns16550-32,0x1c28000; can be repeated'
complete -c coldline -n '_shtab_coldline_using matrix' -l mmio -x -d 'registers that read as VALUE (default 0) and ignore stores, before any device there; can be repeated'
complete -c coldline -n '_shtab_coldline_using matrix' -l mmio-default -d 'all addresses without RAM or a device are registers that read as 0 and ignore stores'
complete -c coldline -n '_shtab_coldline_using matrix' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using matrix' -l until -x -d 'when to stop: mmu (the MMU is turned on), psci (the first PSCI call; the default), off (SYSTEM_OFF), console:TEXT (TEXT is printed) or a number of instructions; a run without a hazard that ends before this is inconclusive'
complete -c coldline -n '_shtab_coldline_using matrix' -l schedule -x -d 'order of the vCPUs'"'"' turns: rr:N (in turn, N instructions each; the default is rr:1000) or random:SEED'
complete -c coldline -n '_shtab_coldline_using matrix' -l secondary -xka "psci start" -d 'how the vCPUs after the first one start: psci (by the guest'"'"'s CPU_ON; the default) or start (at the entry, like the first one)'
complete -c coldline -n '_shtab_coldline_using matrix' -l max-instructions -x -d 'maximum number of instructions (default 4,000,000,000)'
complete -c coldline -n '_shtab_coldline_using matrix' -l order -d 'follow each core'"'"'s barriers: what it has issued takes effect at any time up to its own barrier'
complete -c coldline -n '_shtab_coldline_using matrix' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using matrix' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using matrix' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using matrix' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using matrix' -l format -xka "text json witness" -d 'write the report in this format, to FILE or to standard output (can be repeated). text: for people; json: for programs'
complete -c coldline -n '_shtab_coldline_using matrix' -l json -d 'short for --format json'
complete -c coldline -n '_shtab_coldline_using matrix; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; raw bytes with --load; or a guest configuration file in xl'"'"'s format'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a plan -d 'Plan a guest from a kernel or a configuration file, and print its memory map with the reason for each placement. Nothing is built or run, and no host is needed.'
complete -c coldline -n '_shtab_coldline_using plan' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using plan' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64 or midway-arm32'
complete -c coldline -n '_shtab_coldline_using plan' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware, in place of IMAGE; it starts in the flash of --machine virt'
complete -c coldline -n '_shtab_coldline_using plan' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'initial RAM disk'
complete -c coldline -n '_shtab_coldline_using plan' -l append -l cmdline -x -d 'kernel command line'
complete -c coldline -n '_shtab_coldline_using plan' -l memory -x -d 'size of RAM; a number without a unit is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using plan' -l vcpus -x -d 'number of vCPUs (default 1): see --secondary'
complete -c coldline -n '_shtab_coldline_using plan' -l gic -xka "2 3" -d 'version of the GIC, 2 or 3 (default 3; for virt and arm32 2)'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'partial device tree to merge into the generated one: its /passthrough and /aliases, as with xl'"'"'s device_tree'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'complete device tree to use in place of the generated one'
complete -c coldline -n '_shtab_coldline_using plan' -l el -xka "1 2" -d 'exception level at entry: 1 (the default) or 2'
complete -c coldline -n '_shtab_coldline_using plan' -l fit-config -x -d 'configuration of a FIT to use in place of its default'
complete -c coldline -n '_shtab_coldline_using plan' -l load -x -d 'load IMAGE as raw bytes at this address; needs --entry and --arch'
complete -c coldline -n '_shtab_coldline_using plan' -l entry -x -d 'entry point of a raw IMAGE'
complete -c coldline -n '_shtab_coldline_using plan' -l arch -xka "arm64 arm32" -d 'architecture of IMAGE or --bios, if its file does not name it'
complete -c coldline -n '_shtab_coldline_using plan' -l max-image -x -d 'maximum size of a file (default 1G)'
complete -c coldline -n '_shtab_coldline_using plan' -l max-unpacked -x -d 'maximum size of a kernel unpacked (default 1G)'
complete -c coldline -n '_shtab_coldline_using plan' -l machine -xka "xenvm virt raspi3b raspi4b" -d 'xenvm (Xen'"'"'s guests; the default), virt (QEMU'"'"'s; the default with --bios), raspi3b or raspi4b; with --dtb-only and no --memory, the default is the machine that the device tree describes'
complete -c coldline -n '_shtab_coldline_using plan' -l ram -x -d 'RAM, in place of the machine'"'"'s; can be repeated'
complete -c coldline -n '_shtab_coldline_using plan' -l uart -x -d 'serial port, in place of the machine'"'"'s, such as pl011,0x3f201000 or ns16550-32,0x1c28000; can be repeated'
complete -c coldline -n '_shtab_coldline_using plan' -l mmio -x -d 'registers that read as VALUE (default 0) and ignore stores, before any device there; can be repeated'
complete -c coldline -n '_shtab_coldline_using plan' -l mmio-default -d 'all addresses without RAM or a device are registers that read as 0 and ignore stores'
complete -c coldline -n '_shtab_coldline_using plan' -l core -xka "armv8-a cortex-a53 cortex-a57 cortex-a72 xgene1 neoverse-n1 armv7-a cortex-a7 cortex-a15" -d 'core profile (default armv8-a, for arm32 armv7-a)'
complete -c coldline -n '_shtab_coldline_using plan' -l json -d 'print one JSON object'
complete -c coldline -n '_shtab_coldline_using plan' -l svg -xka "(__fish_complete_path (commandline -ct))" -d 'draw the memory map into FILE; - is standard output'
complete -c coldline -n '_shtab_coldline_using plan' -l dtb-out -xka "(__fish_complete_path (commandline -ct))" -d 'write the guest'"'"'s device tree to FILE; - is standard output'
complete -c coldline -n '_shtab_coldline_using plan; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; raw bytes with --load; or a guest configuration file in xl'"'"'s format'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a rules -d 'Print the automaton of one byte of a cache line as Markdown tables: each state in words, what reads find in it, and where each event leads.'
complete -c coldline -n '_shtab_coldline_using rules' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using rules' -l nc-may-hit -d 'non-cacheable reads may also return a cached copy'
complete -c coldline -n '_shtab_coldline_using rules' -l setway-effective -d 'set/way maintenance reaches every copy of a line'
complete -c coldline -n '_shtab_coldline_using rules' -l idc -d 'CTR_EL0.IDC: instruction fetches see level 1 data caches'
complete -c coldline -n '_shtab_coldline_using rules' -l dic -d 'CTR_EL0.DIC: no instruction cache ever holds an old copy'
complete -c coldline -n '_shtab_coldline_using rules' -l dot -d 'print a drawing for Graphviz in place of tables'
complete -c coldline -n '_shtab_coldline_using rules' -l sources -d 'print the source of each rule in the Arm ARM in place of tables'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a create -d 'Build a guest on the running Xen, from its dom0, and start it. xl can manage the guest, too.'
complete -c coldline -n '_shtab_coldline_using create' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using create' -l sample -xka "midway-arm64 midway-arm32" -d 'a guest that comes with coldline: midway-arm64 or midway-arm32'
complete -c coldline -n '_shtab_coldline_using create' -l bios -xka "(__fish_complete_path (commandline -ct))" -d 'firmware, in place of IMAGE; it starts in the flash of --machine virt'
complete -c coldline -n '_shtab_coldline_using create' -l initrd -l ramdisk -xka "(__fish_complete_path (commandline -ct))" -d 'initial RAM disk'
complete -c coldline -n '_shtab_coldline_using create' -l append -l cmdline -x -d 'kernel command line'
complete -c coldline -n '_shtab_coldline_using create' -l memory -x -d 'size of RAM; a number without a unit is MiB (default 256M)'
complete -c coldline -n '_shtab_coldline_using create' -l vcpus -x -d 'number of vCPUs (default 1): see --secondary'
complete -c coldline -n '_shtab_coldline_using create' -l gic -xka "2 3" -d 'version of the GIC, 2 or 3 (default 3; for virt and arm32 2)'
complete -c coldline -n '_shtab_coldline_using create' -l dtb -xka "(__fish_complete_path (commandline -ct))" -d 'partial device tree to merge into the generated one: its /passthrough and /aliases, as with xl'"'"'s device_tree'
complete -c coldline -n '_shtab_coldline_using create' -l dtb-only -xka "(__fish_complete_path (commandline -ct))" -d 'complete device tree to use in place of the generated one'
complete -c coldline -n '_shtab_coldline_using create' -l el -xka "1 2" -d 'exception level at entry: 1 (the default) or 2'
complete -c coldline -n '_shtab_coldline_using create' -l fit-config -x -d 'configuration of a FIT to use in place of its default'
complete -c coldline -n '_shtab_coldline_using create' -l load -x -d 'load IMAGE as raw bytes at this address; needs --entry and --arch'
complete -c coldline -n '_shtab_coldline_using create' -l entry -x -d 'entry point of a raw IMAGE'
complete -c coldline -n '_shtab_coldline_using create' -l arch -xka "arm64 arm32" -d 'architecture of IMAGE or --bios, if its file does not name it'
complete -c coldline -n '_shtab_coldline_using create' -l max-image -x -d 'maximum size of a file (default 1G)'
complete -c coldline -n '_shtab_coldline_using create' -l max-unpacked -x -d 'maximum size of a kernel unpacked (default 1G)'
complete -c coldline -n '_shtab_coldline_using create' -l name -x -d 'name of the domain (default: the image'"'"'s name)'
complete -c coldline -n '_shtab_coldline_using create' -l strategy -xka "none flush syscall uncached hypercall uncached-hypercall" -d 'how the builder writes the guest'"'"'s memory: none, flush (arm64), syscall (arm32), uncached (the default), hypercall or uncached-hypercall; uncached mappings need coldline'"'"'s driver'
complete -c coldline -n '_shtab_coldline_using create' -s p -l paused -d 'leave the domain paused'
complete -c coldline -n '_shtab_coldline_using create' -l vuart -d 'add an emulated PL011 to the console hvc0'
complete -c coldline -n '_shtab_coldline_using create' -l trace -xka "(__fish_complete_path (commandline -ct))" -d 'write a trace of the build to FILE, for '"'"'coldline check'"'"'; - is standard output'
complete -c coldline -n '_shtab_coldline_using create' -l json -d 'print one JSON object'
complete -c coldline -n '_shtab_coldline_using create; and test $_shtab_coldline_npos -eq 0' -ka "(__fish_complete_path (commandline -ct))" -d 'kernel: Image, zImage, EFI zboot, ELF, uImage or FIT, compressed or not; raw bytes with --load; or a guest configuration file in xl'"'"'s format'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a console -d 'Connect to the console of a Xen domain; Ctrl-] disconnects.'
complete -c coldline -n '_shtab_coldline_using console' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using console' -l raw -d 'pass on the guest'"'"'s output unchanged: its escape sequences can control the terminal'
complete -c coldline -n '_shtab_coldline_using console' -l vuart -d 'connect to the emulated PL011 in place of hvc0'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a list -d 'List the domains of the running Xen.'
complete -c coldline -n '_shtab_coldline_using list' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using list' -l json -d 'print one JSON array'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a pause -d 'Pause a Xen domain.'
complete -c coldline -n '_shtab_coldline_using pause' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a unpause -d 'Unpause a Xen domain.'
complete -c coldline -n '_shtab_coldline_using unpause' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a destroy -d 'Destroy a Xen domain, and remove what is left of it.'
complete -c coldline -n '_shtab_coldline_using destroy' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using; and test $_shtab_coldline_npos -eq 0' -a completion -d 'Print the completions for a shell. In bash: eval "$(coldline completion bash)"; in zsh: eval "$(coldline completion zsh)"; in fish: coldline completion fish | source.'
complete -c coldline -n '_shtab_coldline_using completion' -s h -l help -d 'show this help message and exit'
complete -c coldline -n '_shtab_coldline_using completion; and test $_shtab_coldline_npos -eq 0' -ka "bash zsh fish" -d 'bash, zsh or fish'
