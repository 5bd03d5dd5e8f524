%% Sets and reads every option of the man page on fresh sockets of the module socket of OTP 23, or of gosocket, and compares
%% what they answer: `make diff-otp23`. Both VMs compile this file themselves, so it keeps to what OTP 23 can compile.
-module(gosocket_diff).

-export([probe/1]).
-export([compare/1]).

-type kind() :: tcp4 | tcp4_connected | tcp6 | udp4 | udp6 | local_stream | local_dgram | raw4 | sctp4.
-type operation() :: open | get | {set, term()} | {set_then_get, term()}.
-type row() :: {kind(), Level :: atom(), Option :: atom(), operation(), Result :: term()}.
-type difference() :: {{kind(), atom(), atom(), operation()}, Reference :: term(), Ours :: term()}.
%% '_' stands for anything. In the document a term has a list of options, each of which must explain something.
-type explanation() :: {Kinds :: '_' | [kind()], Level :: atom(), Option :: atom(), operation() | '_', Reference :: term(), Ours :: term()}.

%% ---- asking one of the two ----

%% A term for each probe goes into the file. Of all kinds of sockets, where none are named.
-spec probe([string()]) -> ok.
probe([Name, File]) ->
    probe(list_to_atom(Name), File, kinds());
probe([Name, File | Kinds]) ->
    probe(list_to_atom(Name), File, [list_to_atom(Kind) || Kind <- Kinds]).

-spec probe(module(), file:filename(), [kind()]) -> ok.
probe(Module, File, Kinds) ->
    {ok, _} = application:ensure_all_started(case Module of socket -> kernel; _ -> Module end),
    {ok, Listener} = Module:open(inet, stream, tcp),
    Loopback = #{family => inet, addr => {127, 0, 0, 1}, port => 0},
    {ok, _} = Module:bind(Listener, Loopback),
    ok = Module:listen(Listener),
    {ok, Address} = Module:sockname(Listener),
    Rows = lists:append([kind(Module, Kind, fun() -> open(Module, Kind, Listener, Address) end) || Kind <- Kinds]),
    ok = Module:close(Listener),
    ok = file:write_file(File, [io_lib:format("~0tp.~n", [Row]) || Row <- Rows], [{encoding, utf8}]).

-spec kinds() -> [kind()].
kinds() ->
    [tcp4, tcp4_connected, tcp6, udp4, udp6, local_stream, local_dgram, raw4, sctp4].

%% The first socket is the one to ask.
-spec open(module(), kind(), term(), term()) -> [term()] | {error, term()}.
open(Module, tcp4_connected, Listener, Address) ->
    {ok, Client} = Module:open(inet, stream, tcp),
    case Module:connect(Client, Address) of
        ok -> ok;
        {ok, _} -> ok
    end,
    {ok, Accepted} = Module:accept(Listener),
    [Client, Accepted];
open(Module, Kind, _, _) ->
    {Domain, Type, Protocol} = arguments(Kind),
    case Module:open(Domain, Type, Protocol) of
        {ok, Socket} -> [Socket];
        {error, _} = Error -> Error
    end.

-spec arguments(kind()) -> {atom(), atom(), atom()}.
arguments(tcp4) -> {inet, stream, tcp};
arguments(tcp6) -> {inet6, stream, tcp};
arguments(udp4) -> {inet, dgram, udp};
arguments(udp6) -> {inet6, dgram, udp};
arguments(local_stream) -> {local, stream, default};
arguments(local_dgram) -> {local, dgram, default};
arguments(raw4) -> {inet, raw, icmp};
arguments(sctp4) -> {inet, stream, sctp}.

-spec kind(module(), kind(), fun(() -> [term()] | {error, term()})) -> [row()].
kind(Module, Kind, Open) ->
    case Open() of
        {error, _} = Error ->
            [{Kind, otp, open, open, Error}];
        Sockets ->
            close(Module, Sockets),
            [{Kind, otp, open, open, ok} |
             [{Kind, Level, Option, Operation, plain(Option, Result)}
              || {Level, Options} <- options(), Level =/= sctp orelse Kind =:= sctp4,
                 Option <- [no_such_option | Options],
                 {Operation, Result} <- option(Module, Open, Level, Option)]]
    end.

-spec option(module(), fun(() -> [term()]), atom(), atom()) -> [{operation(), term()}].
option(Module, Open, Level, Option) ->
    Get = fun(Socket) -> outcome(fun() -> Module:getopt(Socket, Level, Option) end) end,
    [{get, with(Module, Open, Get)} |
     lists:append([with(Module, Open,
                        fun(Socket) ->
                            case outcome(fun() -> Module:setopt(Socket, Level, Option, Value) end) of
                                ok -> [{{set, plain(Value)}, ok}, {{set_then_get, plain(Value)}, Get(Socket)}];
                                Other -> [{{set, plain(Value)}, Other}]
                            end
                        end) || Value <- values(Level)])].

-spec with(module(), fun(() -> [term()]), fun((term()) -> Result)) -> Result.
with(Module, Open, Ask) ->
    [Socket | _] = Sockets = Open(),
    Result = Ask(Socket),
    close(Module, Sockets),
    Result.

%% A connection that is reset leaves no port behind that nobody can have for a minute.
-spec close(module(), [term()]) -> ok.
close(Module, Sockets) ->
    [_ = Module:setopt(Socket, socket, linger, {true, 0}) || Socket <- Sockets],
    [ok = Module:close(Socket) || Socket <- Sockets],
    ok.

-spec outcome(fun(() -> term())) -> term().
outcome(Ask) ->
    try
        Ask()
    catch
        Class:Reason -> {raised, Class, Reason}
    end.

%% What is another one in every VM has a name instead.
-spec plain(atom(), term()) -> term().
plain(fd, {ok, FD}) when is_integer(FD) -> {ok, fd};
plain(_, Result) -> plain(Result).

-spec plain(term()) -> term().
plain(Pid) when is_pid(Pid) -> pid;
plain(Tuple) when is_tuple(Tuple) -> list_to_tuple([plain(Term) || Term <- tuple_to_list(Tuple)]);
plain(Term) -> Term.

%% ---- what is asked ----

-spec options() -> [{atom(), [atom()]}].
options() ->
    [{otp, [debug, use_registry, iow, controlling_process, rcvbuf, rcvctrlbuf, sndctrlbuf, meta, fd, domain, type, protocol]},
     {socket, [acceptconn, acceptfilter, bindtodevice, broadcast, busy_poll, debug, domain, dontroute, error, keepalive, linger,
               mark, oobinline, passcred, peek_off, peercred, peekcred, priority, protocol, rcvbuf, rcvbufforce, rcvlowat,
               rcvtimeo, reuseaddr, reuseport, rxq_ovfl, setfib, sndbuf, sndbufforce, sndlowat, sndtimeo, timestamp, type]},
     {ip, [add_membership, add_source_membership, block_source, dontfrag, drop_membership, drop_source_membership, freebind,
           hdrincl, minttl, msfilter, mtu, mtu_discover, multicast_all, multicast_if, multicast_loop, multicast_ttl, nodefrag,
           options, pktinfo, recverr, recvif, recvdstaddr, recvopts, recvorigdstaddr, recvtos, recvttl, retopts, router_alert,
           sndsrcaddr, sendsrcaddr, tos, transparent, ttl, unblock_source]},
     {ipv6, [addrform, add_membership, authhdr, auth_level, checksum, drop_membership, dstopts, esp_trans_level,
             esp_network_level, faith, flowinfo, hopopts, ipcomp_level, join_group, leave_group, mtu, mtu_discover,
             multicast_hops, multicast_if, multicast_loop, portrange, pktoptions, recverr, recvhoplimit, hoplimit, recvpktinfo,
             pktinfo, recvtclass, router_alert, rthdr, tclass, unicast_hops, use_min_mtu, v6only]},
     {tcp, [congestion, cork, info, keepcnt, keepidle, keepintvl, maxseg, md5sig, nodelay, noopt, nopush, syncnt, user_timeout]},
     {udp, [cork]},
     {sctp, [adaption_layer, associnfo, auth_active_key, auth_asconf, auth_chunk, auth_key, auth_delete_key, autoclose, context,
             default_send_params, delayed_ack_time, disable_fragments, hmac_ident, events, explicit_eor, fragment_interleave,
             get_peer_addr_info, initmsg, i_want_mapped_v4_addr, local_auth_chunks, maxseg, maxburst, nodelay,
             partial_delivery_point, peer_addr_params, peer_auth_chunks, primary_addr, reset_streams, rtoinfo,
             set_peer_primary_addr, status, use_ext_recvinfo]},
     {no_such_level, []}].

-spec values(atom()) -> [term()].
values(Level) ->
    [true, false, 0, 1, 2, 3, 10, 64, 255, 256, -1, -2, 20000, 2147483647, 2147483648, 1 bsl 63, 1 bsl 64, -(1 bsl 64), 1 bsl 2400, default, undefined, "lo", "string", "",
     <<"binary">>, <<1, 0, 0, 0>>, #{}, [], {}, {1, 2}, 1.5, self() | own_values(Level)].

-spec own_values(atom()) -> [term()].
own_values(otp) ->
    [{3, 1000}, {0, 1000}, {3, 0}, {3, default}, #{a => 1}];
own_values(socket) ->
    [abort, {true, 5}, {false, 0}, {true, -1}, {true, 2147483648}, #{onoff => true, linger => 5}, #{onoff => true},
     #{sec => 2, usec => 500000}, #{sec => 0, usec => 0}, #{sec => 0, usec => 1000000}, #{sec => -1, usec => 0}, #{sec => 1},
     6, 7];
own_values(ip) ->
    Group = {239, 1, 2, 3},
    Loopback = {127, 0, 0, 1},
    Source = {10, 9, 8, 7},
    Filter = #{multiaddr => Group, interface => Loopback, mode => include, slist => [Source]},
    [lowdelay, throughput, reliability, mincost, 16, 184, want, dont, do, probe, any, loopback, Loopback, {10, 3, 3, 3}, null,
     #{multiaddr => Group, interface => Loopback}, #{multiaddr => Group, interface => any}, #{multiaddr => Group},
     #{multiaddr => {10, 1, 1, 1}, interface => any}, #{multiaddr => Group, interface => Loopback, sourceaddr => Source},
     #{multiaddr => Group, interface => any, sourceaddr => Source}, Filter, Filter#{mode => exclude, slist => []}];
own_values(ipv6) ->
    Group = {16#ff02, 0, 0, 0, 0, 0, 1, 2},
    [inet, inet6, want, dont, do, probe, any, {0, 0, 0, 0, 0, 0, 0, 1}, #{multiaddr => Group, interface => 1},
     #{multiaddr => Group, interface => 0}, #{multiaddr => Group}, #{multiaddr => Group, interface => -1},
     #{multiaddr => {0, 0, 0, 0, 0, 0, 0, 1}, interface => 1}, #{addr => {0, 0, 0, 0, 0, 0, 0, 1}, ifindex => 1},
     include, 16#1e, 128];
own_values(tcp) ->
    ["reno", "cubic", <<"reno">>, reno];
own_values(sctp) ->
    [#{assoc_id => 0, initial => 500, max => 60000, min => 200}, #{num_outstreams => 5, max_instreams => 5},
     #{data_in => true, association => true}];
own_values(_) ->
    [].

%% ---- comparing ----

%% Ends the VM: 1 when a difference has no explanation, or an explanation no difference.
-spec compare([string()]) -> no_return().
compare([ReferenceFile, OursFile, Document]) ->
    {ok, Reference} = file:consult(ReferenceFile),
    {ok, Ours} = file:consult(OursFile),
    Explanations = explanations(Document),
    Differences = differences(by_key(Reference), by_key(Ours)),
    Explained = [{Difference, [E || {_, E} <- Explanations, explains(E, Difference)]} || Difference <- Differences],
    New = [Difference || {Difference, []} <- Explained],
    Opened = [Kind || {Kind, otp, open, open, ok} <- Ours],
    [io:format("not compared, ~p sockets: ~0tp~n", [Kind, Why]) || {Kind, otp, open, open, Why} <- Ours, Why =/= ok],
    Used = lists:usort(lists:append([Es || {_, Es} <- Explained])),
    Idle = [Explanation || {_, E} = Explanation <- Explanations, about_any(element(1, E), Opened), not lists:member(E, Used)],
    [io:format("not explained: ~0tp~n    reference: ~0tp~n    ours:      ~0tp~n", [Key, Theirs, Own]) || {Key, Theirs, Own} <- New],
    [io:format("line ~b of ~ts explains nothing: ~0tp~n", [Line, Document, E]) || {Line, E} <- Idle],
    io:format("~b answers of ~b kinds of sockets compared, ~b differ, ~b of them without an explanation~n",
              [length(Ours), length(Opened), length(Differences), length(New)]),
    halt(min(1, length(New) + length(Idle))).

%% Nothing can be seen of kinds that do not open here.
-spec about_any('_' | [kind()], [kind()]) -> boolean().
about_any('_', _) -> true;
about_any(Kinds, Opened) -> lists:any(fun(Kind) -> lists:member(Kind, Opened) end, Kinds).

-spec by_key([row()]) -> #{tuple() => term()}.
by_key(Rows) ->
    maps:from_list([{{Kind, Level, Option, Operation}, Result} || {Kind, Level, Option, Operation, Result} <- Rows]).

%% Where the two disagree on setting a value, there are no two answers to compare of reading it.
-spec differences(#{tuple() => term()}, #{tuple() => term()}) -> [difference()].
differences(Reference, Ours) ->
    Keys = lists:usort(maps:keys(Reference) ++ maps:keys(Ours)),
    [{Key, Theirs, Own} || Key <- Keys,
                           Theirs <- [maps:get(Key, Reference, none)],
                           Own <- [maps:get(Key, Ours, none)],
                           Theirs =/= Own,
                           not (is_read_back(Key) andalso (Theirs =:= none orelse Own =:= none))].

-spec is_read_back(tuple()) -> boolean().
is_read_back({_, _, _, {set_then_get, _}}) -> true;
is_read_back(_) -> false.

%% The terms in the code blocks of the document, one for each of their options, with their lines.
-spec explanations(file:filename()) -> [{pos_integer(), explanation()}].
explanations(Document) ->
    {ok, Text} = file:read_file(Document),
    Lines = string:split(unicode:characters_to_list(Text), "\n", all),
    [{Line, {Kinds, Level, Option, Operation, Reference, Ours}}
     || {Line, "    {" ++ _ = Source} <- lists:zip(lists:seq(1, length(Lines)), Lines),
        {Kinds, Level, Options, Operation, Reference, Ours} <- [term(Source)],
        Option <- Options].

-spec term(string()) -> explanation().
term(Source) ->
    {ok, Tokens, _} = erl_scan:string(Source ++ "."),
    {ok, Term} = erl_parse:parse_term(Tokens),
    Term.

-spec explains(explanation(), difference()) -> boolean().
explains({Kinds, Level, Option, Operation, Reference, Ours}, {{Kind, Level, Option, Asked}, Theirs, Own}) ->
    (Kinds =:= '_' orelse lists:member(Kind, Kinds)) andalso matches({Operation, Reference, Ours}, {Asked, Theirs, Own});
explains(_, _) ->
    false.

-spec matches(term(), term()) -> boolean().
matches('_', _) ->
    true;
matches(Pattern, Term) when is_tuple(Pattern), is_tuple(Term), tuple_size(Pattern) =:= tuple_size(Term) ->
    lists:all(fun({P, T}) -> matches(P, T) end, lists:zip(tuple_to_list(Pattern), tuple_to_list(Term)));
matches(Pattern, Term) when is_map(Pattern), is_map(Term) ->
    lists:sort(maps:keys(Pattern)) =:= lists:sort(maps:keys(Term)) andalso
        lists:all(fun({Key, P}) -> matches(P, maps:get(Key, Term)) end, maps:to_list(Pattern));
matches(Same, Same) ->
    true;
matches(_, _) ->
    false.
