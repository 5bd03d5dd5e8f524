%% The types of the man page, in its order.

-export_type([domain/0, type/0, protocol/0, socket/0,
              select_tag/0, select_ref/0, select_info/0,
              socket_counters/0, socket_info/0,
              ip4_address/0, ip6_address/0,
              sockaddr/0, sockaddr_in4/0, sockaddr_in6/0, sockaddr_un/0, sockaddr_ll/0,
              packet_type/0, port_number/0, in6_flow_info/0, in6_scope_id/0,
              send_flags/0, send_flag/0, recv_flags/0, recv_flag/0, shutdown_how/0,
              sockopt_level/0, otp_socket_option/0, socket_option/0, ip_socket_option/0,
              ipv6_socket_option/0, tcp_socket_option/0, udp_socket_option/0,
              sctp_socket_option/0,
              timeval/0, timespec/0, ip_tos/0, ip_mreq/0, ip_mreq_source/0, ip_pmtudisc/0,
              ip_msfilter_mode/0, ip_msfilter/0, ip_pktinfo/0,
              ipv6_mreq/0, ipv6_pmtudisc/0, ipv6_pktinfo/0,
              sctp_assoc_id/0, sctp_sndrcvinfo/0, sctp_event_subscribe/0, sctp_assocparams/0,
              sctp_initmsg/0, sctp_rtoinfo/0,
              msghdr_flag/0, msghdr_flags/0, msghdr/0,
              cmsghdr_level/0, cmsghdr_type/0, cmsghdr_recv/0, cmsghdr_send/0,
              icmp_dest_unreach/0, icmpv6_dest_unreach/0, ee_origin/0, extended_err/0,
              uint8/0, uint16/0, uint20/0, uint32/0, int32/0, errcode/0]).

-export_type([open_opts/0, lane/0, openfd_opts/0, reason/0, timed_reason/0, select/0, opened/1,
              sent/1, sent_part/0, msg_sent/1, received/1, received_part/0, received_from/1, msg_received/1,
              supports/0, supports_options/0, table_field/0]).

%% packet is not in the man page: see the overview of the module.
-type domain() :: local | inet | inet6 | packet.
-type type() :: stream | dgram | raw | rdm | seqpacket.
-type protocol() :: ip | tcp | udp | sctp | icmp | igmp | {raw, integer()}.

-type socket() :: {'$socket', reference()}.
%% As returned by open/1,2,3,4 and accept/1,2.

-type select_tag() :: accept | connect | recv | recvfrom | recvmsg | send | sendto | sendmsg.
-type select_ref() :: reference().
-type select_info() :: {select_info, select_tag(), select_ref()}.

-type socket_counters() ::
        #{read_byte := non_neg_integer(),
          read_fails := non_neg_integer(),
          read_pkg := non_neg_integer(),
          read_pkg_max := non_neg_integer(),
          read_tries := non_neg_integer(),
          read_waits := non_neg_integer(),
          write_byte := non_neg_integer(),
          write_fails := non_neg_integer(),
          write_pkg := non_neg_integer(),
          write_pkg_max := non_neg_integer(),
          write_tries := non_neg_integer(),
          write_waits := non_neg_integer(),
          acc_success := non_neg_integer(),
          acc_fails := non_neg_integer(),
          acc_tries := non_neg_integer(),
          acc_waits := non_neg_integer()}.

%% Numbers stand for what has no name; a closed socket has no controlling process, or the dead one.
-type socket_info() ::
        #{domain := domain() | integer(),
          type := type() | integer(),
          protocol := protocol() | integer(),
          ctrl := pid() | undefined,
          ctype := normal | fromfd | {fromfd, integer()},
          counters := socket_counters(),
          num_readers := non_neg_integer(),
          num_writers := non_neg_integer(),
          num_acceptors := non_neg_integer(),
          writable := boolean(),
          readable := boolean()}.

-type ip4_address() :: {0..255, 0..255, 0..255, 0..255}.
-type ip6_address() :: {0..65535, 0..65535, 0..65535, 0..65535,
                        0..65535, 0..65535, 0..65535, 0..65535}.

%% Keys with a default may be missing from addresses that are given.
-type sockaddr() :: sockaddr_in4() | sockaddr_in6() | sockaddr_un() | sockaddr_ll().
-type sockaddr_in4() :: #{family := inet,
                          port => port_number(),
                          addr => any | broadcast | loopback | ip4_address()}.
-type sockaddr_in6() :: #{family := inet6,
                          port => port_number(),
                          addr => any | loopback | ip6_address(),
                          flowinfo => in6_flow_info(),
                          scope_id => in6_scope_id()}.
-type sockaddr_un() :: #{family := local, path := binary() | string()}.
-type sockaddr_ll() :: #{family := packet,
                         protocol => non_neg_integer(),
                         ifindex => integer(),
                         pkttype => packet_type(),
                         hatype => non_neg_integer(),
                         addr => binary()}.
-type packet_type() :: host | broadcast | multicast | otherhost | outgoing | loopback | user | kernel
                     | fastroute | non_neg_integer().
-type port_number() :: 0..65535.
-type in6_flow_info() :: uint20().
-type in6_scope_id() :: uint32().

-type send_flags() :: [send_flag()].
-type send_flag() :: confirm | dontroute | eor | more | nosignal | oob.
-type recv_flags() :: [recv_flag()].
-type recv_flag() :: cmsg_cloexec | errqueue | oob | peek | trunc.
-type shutdown_how() :: read | write | read_write.

-type sockopt_level() :: otp | socket | ip | ipv6 | tcp | udp | sctp | non_neg_integer().

-type otp_socket_option() ::
        debug | use_registry | iow | controlling_process | rcvbuf | rcvctrlbuf | sndctrlbuf
      | max_received_fds | receive_ahead | send_ahead | meta
      | fd | domain.

-type socket_option() ::
        acceptconn | acceptfilter | bindtodevice | broadcast | busy_poll | debug | domain
      | dontroute | error | keepalive | linger | mark | oobinline | passcred | peek_off | peercred
      | priority | protocol | rcvbuf | rcvbufforce | rcvlowat | rcvtimeo | reuseaddr | reuseport
      | rxq_ovfl | setfib | sndbuf | sndbufforce | sndlowat | sndtimeo | timestamp | type.

-type ip_socket_option() ::
        add_membership | add_source_membership | block_source | dontfrag | drop_membership
      | drop_source_membership | freebind | hdrincl | minttl | msfilter | mtu | mtu_discover
      | multicast_all | multicast_if | multicast_loop | multicast_ttl | nodefrag | options | pktinfo
      | recverr | recvif | recvdstaddr | recvopts | recvorigdstaddr | recvtos | recvttl | retopts
      | router_alert | sndsrcaddr | tos | transparent | ttl | unblock_source.

-type ipv6_socket_option() ::
        addrform | add_membership | authhdr | auth_level | checksum | drop_membership | dstopts
      | esp_trans_level | esp_network_level | faith | flowinfo | hopopts | ipcomp_level | join_group
      | leave_group | mtu | mtu_discover | multicast_hops | multicast_if | multicast_loop | portrange
      | pktoptions | recverr | recvhoplimit | hoplimit | recvpktinfo | pktinfo | recvtclass
      | router_alert | rthdr | tclass | unicast_hops | use_min_mtu | v6only.

-type tcp_socket_option() ::
        congestion | cork | info | keepcnt | keepidle | keepintvl | maxseg | md5sig | nodelay | noopt
      | nopush | syncnt | user_timeout.

-type udp_socket_option() :: cork.

-type sctp_socket_option() ::
        adaption_layer | associnfo | auth_active_key | auth_asconf | auth_chunk | auth_key
      | auth_delete_key | autoclose | context | default_send_params | delayed_ack_time
      | disable_fragments | hmac_ident | events | explicit_eor | fragment_interleave
      | get_peer_addr_info | initmsg | i_want_mapped_v4_addr | local_auth_chunks | maxseg | maxburst
      | nodelay | partial_delivery_point | peer_addr_params | peer_auth_chunks | primary_addr
      | reset_streams | rtoinfo | set_peer_primary_addr | status | use_ext_recvinfo.

-type timeval() :: #{sec := integer(), usec := integer()}.
-type timespec() :: #{sec := integer(), nsec := 0..999999999}.
-type ip_tos() :: lowdelay | throughput | reliability | mincost | integer().
-type ip_mreq() :: #{multiaddr := ip4_address(), interface := any | ip4_address()}.
-type ip_mreq_source() :: #{multiaddr := ip4_address(),
                            interface := ip4_address(),
                            sourceaddr := ip4_address()}.
-type ip_pmtudisc() :: want | dont | do | probe.
-type ip_msfilter_mode() :: include | exclude.
-type ip_msfilter() :: #{multiaddr := ip4_address(),
                         interface := ip4_address(),
                         mode := ip_msfilter_mode(),
                         slist := [ip4_address()]}.
-type ip_pktinfo() :: #{ifindex := non_neg_integer(),
                        spec_dst := ip4_address(),
                        addr := ip4_address()}.
-type ipv6_mreq() :: #{multiaddr := ip6_address(), interface := non_neg_integer()}.
-type ipv6_pmtudisc() :: ip_pmtudisc().
-type ipv6_pktinfo() :: #{addr := ip6_address(), ifindex := integer()}.

-type sctp_assoc_id() :: int32().
-type sctp_sndrcvinfo() :: #{stream := uint16(),
                             ssn := uint16(),
                             flags := uint16(),
                             ppid := uint16(),
                             context := uint16(),
                             timetolive := uint16(),
                             tsn := uint16(),
                             cumtsn := uint16(),
                             assoc_id := sctp_assoc_id()}.
-type sctp_event_subscribe() :: #{data_in := boolean(),
                                  association := boolean(),
                                  address := boolean(),
                                  send_failure := boolean(),
                                  peer_error := boolean(),
                                  shutdown := boolean(),
                                  partial_delivery := boolean(),
                                  adaptation_layer := boolean(),
                                  authentication := boolean(),
                                  sender_dry := boolean()}.
-type sctp_assocparams() :: #{assoc_id := sctp_assoc_id(),
                              max_rxt := uint16(),
                              num_peer_dests := uint16(),
                              peer_rwnd := uint32(),
                              local_rwnd := uint32(),
                              cookie_life := uint32()}.
-type sctp_initmsg() :: #{num_outstreams := uint16(),
                          max_instreams := uint16(),
                          max_attempts := uint16(),
                          max_init_timeo := uint16()}.
-type sctp_rtoinfo() :: #{assoc_id := sctp_assoc_id(),
                          initial := uint32(),
                          max := uint32(),
                          min := uint32()}.

-type msghdr_flag() :: ctrunc | eor | errqueue | oob | trunc.
-type msghdr_flags() :: [msghdr_flag()].
%% To send, only iov is mandatory; what is received has all four.
-type msghdr() :: #{addr => sockaddr() | undefined,
                    iov := [binary()],
                    ctrl => [cmsghdr_recv()] | [cmsghdr_send()],
                    flags => msghdr_flags()}.

-type cmsghdr_level() :: socket | ip | ipv6 | udp | integer().
-type cmsghdr_type() :: credentials | hoplevel | hoplimit | origdstaddr | pktinfo | recverr | recvtos
                      | recvttl | rights | rxq_ovfl | tclass | timestamp | timestamping | timestampns
                      | tos | ttl | integer().
%% Not in the man page: timestampns, timestamping (by software, unused, by hardware; zeros are no time)
%% and rxq_ovfl (datagrams dropped so far), which the options of these names ask for. What the control
%% buffer had no room for in full has the bytes that are there.
-type cmsghdr_recv() ::
        #{level := socket, type := timestamp, data := timeval()}
      | #{level := socket, type := rights, data := binary()}
      | #{level := socket, type := credentials, data := binary()}
      | #{level := socket, type := timestampns, data := timespec()}
      | #{level := socket, type := timestamping, data := [timespec()]}
      | #{level := socket, type := rxq_ovfl, data := uint32()}
      | #{level := socket, type := integer(), data := binary()}
      | #{level := ip, type := tos | recvtos, data := ip_tos()}
      | #{level := ip, type := ttl | recvttl, data := integer()}
      | #{level := ip, type := pktinfo, data := ip_pktinfo()}
      | #{level := ip, type := origdstaddr, data := sockaddr_in4()}
      | #{level := ip | ipv6, type := recverr, data := extended_err() | binary()}
      | #{level := ip, type := integer(), data := binary()}
      | #{level := ipv6, type := hoplevel | hoplimit | tclass, data := integer()}
      | #{level := ipv6, type := pktinfo, data := ipv6_pktinfo()}
      | #{level := ipv6, type := integer(), data := binary()}
      | #{level := udp | integer(), type := integer(), data := binary()}.
-type cmsghdr_send() ::
        #{level := socket, type := timestamp | credentials | integer(), data := binary()}
      | #{level := socket, type := rights, data := binary(), lane => lane()}
      | #{level := socket, type := timestamping, data := [atom()] | binary()}
      | #{level := ip, type := tos, data := ip_tos() | binary()}
      | #{level := ip, type := ttl, data := integer() | binary()}
      | #{level := ipv6, type := tclass | hoplevel | hoplimit, data := integer()}
      | #{level := ip | ipv6 | udp | integer(), type := integer(), data := binary()}.

-type icmp_dest_unreach() :: net_unreach | host_unreach | port_unreach | frag_needed | net_unknown
                           | host_unknown | uint8().
-type icmpv6_dest_unreach() :: noroute | adm_prohibited | not_neighbour | addr_unreach | port_unreach
                             | policy_fail | reject_route | uint8().
-type ee_origin() :: none | local | icmp | icmp6 | uint8().
-type extended_err() ::
        #{error := term(),
          origin := icmp | icmp6 | ee_origin(),
          type := dest_unreach | time_exceeded | pkt_toobig | uint8(),
          code := icmp_dest_unreach() | icmpv6_dest_unreach() | uint8(),
          info := uint32(),
          data := uint32(),
          offender := undefined | sockaddr()}.

-type uint8() :: 0..255.
-type uint16() :: 0..65535.
-type uint20() :: 0..1048575.
-type uint32() :: 0..4294967295.
-type int32() :: -2147483648..2147483647.

-type errcode() :: inet:posix() | exalloc | exmonitor | exselect | exself.
%% POSIX error codes are those of the operating system, some come from the helper itself.

%% ---- Not in the man page, which spells them out: options of open, and results

-type open_opts() :: #{netns => string(), lane => lane(), debug => boolean(), use_registry => boolean()}.
-type lane() :: gosocket_lanes:name() | socket().
%% A lane by its name, or the one that a socket is of.
-type openfd_opts() :: #{domain => domain(),
                         type => type(),
                         protocol => protocol(),
                         dup => boolean(),
                         holder => helper | vm,
                         lane => lane(),
                         debug => boolean(),
                         use_registry => boolean()}.

-type reason() :: errcode() | closed.
%% Why a call failed that waited as long as it took, or not at all.
-type timed_reason() :: reason() | timeout.
%% Why a call with a time-out failed.
-type select() :: {select, select_info()}.
%% A `nowait' call could do nothing yet; a select message tells when to try again.

-type opened(Reason) :: {ok, socket()} | {error, Reason}.
-type sent(Reason) :: ok | {error, {Reason, Remaining :: non_neg_integer()}}.
%% Remaining is the number of bytes that were not sent.
-type sent_part() :: {ok, {RestData :: binary(), select_info()}}.
%% A `nowait' send took a part; RestData is what is left.
-type msg_sent(Reason) :: ok | {ok, Remaining :: erlang:iovec()} | {error, Reason}.
%% Remaining is what a stream had no room for.
-type received(Reason) :: {ok, binary()} | {error, Reason | {Reason, binary()}}.
%% With the reason stands what came before it.
-type received_part() :: {ok, {binary(), select_info()}}.
%% A `nowait' receive of a Length found a part of it.
-type received_from(Reason) :: {ok, {Source :: sockaddr() | undefined, binary()}} | {error, Reason}.
-type msg_received(Reason) :: {ok, msghdr()} | {error, Reason}.

-type supports() :: [{options, supports_options()}
                   | {send_flags, [{send_flag(), boolean()}]}
                   | {recv_flags, [{recv_flag(), boolean()}]}
                   | {sctp | ipv6 | local | netns, boolean()}].
%% In this order, as `[{options, [{socket, [{acceptconn, true}, ...]}, ...]}, {send_flags, [{oob, true}, ...]},
%% ..., {netns, true}]'. In each level the options of the man page come first, in its order. What cannot be
%% tried because a capability is missing is `false'.
-type supports_options() :: [{socket, [{socket_option() | atom(), boolean()}]}
                           | {ip, [{ip_socket_option() | atom(), boolean()}]}
                           | {ipv6, [{ipv6_socket_option() | atom(), boolean()}]}
                           | {tcp, [{tcp_socket_option() | atom(), boolean()}]}
                           | {udp, [{udp_socket_option() | atom(), boolean()}]}
                           | {sctp, [{sctp_socket_option() | atom(), boolean()}]}].

-type table_field() :: lane | fd | domain | type | protocol | recv | sent | owner | local_address | foreign_address | state.
