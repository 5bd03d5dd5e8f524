%% supports/0,1,2 and is_supported/1,2,3: they say of the running kernel what calls find. What the cases expect they
%% learn from the kernel, so they are the same on a kernel that has SCTP and on one that has not.
-module(gosocket_supports_SUITE).

-export([
    supports_has_the_shape_of_the_man_page/1,
    options_come_in_the_order_of_the_man_page/1,
    is_supported_agrees_with_supports/1,
    unknown_keys_are_not_supported/1,
    features_are_what_open_finds/1,
    options_are_what_getopt_finds/1,
    options_of_sctp_are_supported_where_sctp_is/1,
    supports_needs_no_socket_before/1,
    nothing_is_supported_without_a_helper/1
]).

-define(OURS, [
    options_come_in_the_order_of_the_man_page,
    is_supported_agrees_with_supports,
    features_are_what_open_finds,
    options_are_what_getopt_finds,
    options_of_sctp_are_supported_where_sctp_is,
    supports_needs_no_socket_before,
    nothing_is_supported_without_a_helper
]).
-include("gosocket_test.hrl").

-define(LEVELS, [socket, ip, ipv6, tcp, udp, sctp]).

-spec supports_has_the_shape_of_the_man_page(config()) -> term().
supports_has_the_shape_of_the_man_page(_) ->
    ?assertMatch([{options, _}, {send_flags, _}, {recv_flags, _}, {sctp, _}, {ipv6, _}, {local, _}, {netns, _}], ?S:supports()),
    ?assertEqual(?LEVELS, [Level || {Level, _} <- ?S:supports(options)]),
    ?assertEqual([{Flag, true} || Flag <- [oob, dontroute, eor, confirm, nosignal, more]], ?S:supports(send_flags)),
    ?assertEqual([{Flag, true} || Flag <- [oob, peek, trunc, errqueue, cmsg_cloexec]], ?S:supports(recv_flags)),
    [?assert(lists:member({Option, true}, ?S:supports(options, Level)))
     || {Level, Option} <- [{socket, reuseaddr}, {socket, rcvbuf}, {ip, ttl}, {ipv6, v6only}, {tcp, nodelay}, {udp, cork}]],
    ?assertEqual([], ?S:supports(sctp)).

%% The types of the man page list them. Ours that it does not have come behind.
-spec options_come_in_the_order_of_the_man_page(config()) -> term().
options_come_in_the_order_of_the_man_page(_) ->
    [begin
         Named = atoms_of_type(list_to_atom(lists:concat([Prefix, socket_option]))),
         Listed = [Option || {Option, _} <- ?S:supports(options, Level)],
         ?assertEqual({Level, Named}, {Level, lists:sublist(Listed, length(Named))}),
         ?assertEqual({Level, []}, {Level, Listed -- lists:usort(Listed)})
     end || {Level, Prefix} <- [{socket, ""}, {ip, "ip_"}, {ipv6, "ipv6_"}, {tcp, "tcp_"}, {udp, "udp_"}, {sctp, "sctp_"}]].

-spec atoms_of_type(atom()) -> [atom()].
atoms_of_type(Name) ->
    {ok, {_, [{abstract_code, {_, Forms}}]}} = beam_lib:chunks(code:which(?S), [abstract_code]),
    [Type] = [Type || {attribute, _, type, {Found, Type, []}} <- Forms, Found =:= Name],
    case Type of
        {type, _, union, Members} -> [Atom || {atom, _, Atom} <- Members];
        {atom, _, Atom} -> [Atom]
    end.

-spec is_supported_agrees_with_supports(config()) -> term().
is_supported_agrees_with_supports(_) ->
    [?assertEqual({Key, Is}, {Key, ?S:is_supported(Key)}) || {Key, Is} <- ?S:supports(), is_boolean(Is)],
    [?assertEqual({Key, Flag, Is}, {Key, Flag, ?S:is_supported(Key, Flag)})
     || Key <- [send_flags, recv_flags], {Flag, Is} <- ?S:supports(Key)],
    [?assertEqual({Level, Option, Is}, {Level, Option, ?S:is_supported(options, Level, Option)})
     || {Level, Options} <- [{packet, ?S:supports(options, packet)} | ?S:supports(options)], {Option, Is} <- Options],
    ?assertEqual(?S:supports(options), [{Level, ?S:supports(options, Level)} || Level <- ?LEVELS]),
    ?assertEqual([?S:supports(Key) || Key <- [options, send_flags, recv_flags]],
                 [Value || {_, Value} <- ?S:supports(), is_list(Value)]).

-spec unknown_keys_are_not_supported(config()) -> term().
unknown_keys_are_not_supported(_) ->
    ?assertEqual([], lists:append([?S:supports(Key) || Key <- [foo, sctp, local, 17, "options", {options, socket}]])),
    ?assertEqual([], lists:append([apply(?S, supports, Keys)
                                   || Keys <- [[options, foo], [options, otp], [options, 17], [foo, socket], [send_flags, oob]]])),
    ?assertEqual([], [Keys || Keys <- [[foo], [options], [send_flags], [17], ["sctp"],
                                       [send_flags, foo], [send_flags, peek], [options, socket], [foo, oob], [17, 17],
                                       [options, socket, foo], [options, foo, type], [foo, socket, type], [options, otp, meta],
                                       [options, "a", 17]],
                              apply(?S, is_supported, Keys)]).

%% ---- the kernel ----

-spec features_are_what_open_finds(config()) -> term().
features_are_what_open_finds(_) ->
    Found = [{Feature, opens(Arguments)} || {Feature, Arguments} <- [{sctp, [inet, stream, sctp]}, {sctp, [inet, seqpacket, sctp]},
                                                                     {ipv6, [inet6, dgram]}, {local, [local, stream]},
                                                                     {netns, [inet, dgram, udp, #{netns => "/proc/self/ns/net"}]}]],
    ct:log("Linux ~s: ~p", [os:cmd("uname -r"), Found]),
    ?assertEqual(Found, [{Feature, ?S:is_supported(Feature)} || {Feature, _} <- Found]).

-spec opens([term()]) -> boolean().
opens(Arguments) ->
    case apply(?S, open, Arguments) of
        {ok, Socket} ->
            close(Socket),
            true;
        {error, Reason} ->
            ?assert(lists:member(Reason, [eprotonosupport, esocktnosupport, eafnosupport, eperm])),
            false
    end.

%% Of each option that can be read: some kind of socket has it, or none. What can only be set is einval. A descriptor
%% that an option gives (peerpidfd) would stay in the helper.
-spec options_are_what_getopt_finds(config()) -> term().
options_are_what_getopt_finds(_) ->
    {Client, Server} = pair({inet, stream}),
    {Udp, UdpPeer} = pair({inet, dgram}),
    {Stream, StreamPeer} = pair({local, stream}),
    Raw = raw_sockets(),
    Sockets = [Client, Server, Udp, UdpPeer, Stream, StreamPeer, unconnected({local, dgram})
               | [unconnected(Kind) || Kind <- [{inet6, stream}, {inet6, dgram}], has_ipv6()]] ++ Raw,
    Told = [{Level, Option, Is} || Level <- [socket, ip, ipv6, tcp, udp], Level =/= ipv6 orelse has_ipv6(),
                                   {Option, Is} <- ?S:supports(options, Level), Option =/= peerpidfd],
    Found = [{Level, Option, Is} || {Level, Option, _} <- Told,
                                    Is <- found([outcome(fun() -> ?S:getopt(Socket, Level, Option) end) || Socket <- Sockets]),
                                    Is orelse not can_be_set(Sockets, Level, Option)],
    %% The kernel answers for these on any socket, but only raw ones have them, and not everybody may open one.
    OfRaw = [{ip, Option, true} || Option <- [hdrincl, nodefrag, protocol, router_alert]] ++ [{ipv6, router_alert, true}],
    ?assertEqual([], (Found -- Told) -- [Option || Raw =:= [], Option <- OfRaw]),
    ct:log("~b of ~b options could be read or are not there", [length(Found), length(Told)]),
    ?assert(length(Found) > 80),
    close(Sockets).

-spec raw_sockets() -> [socket()].
raw_sockets() ->
    [Socket || Arguments <- [[inet, raw, icmp], [inet6, raw, {raw, 254}], [inet6, raw, {raw, 255}]],
               {ok, Socket} <- [apply(?S, open, Arguments)]].

%% Older kernels take some options that they do not tell. enobufs is how router_alert refuses to be off twice.
-spec can_be_set([socket()], atom(), atom()) -> boolean().
can_be_set(Sockets, Level, Option) ->
    lists:any(fun(Outcome) -> Outcome =:= {returned, ok} orelse Outcome =:= {returned, {error, enobufs}} end,
              [outcome(fun() -> ?S:setopt(Socket, Level, Option, Value) end) || Socket <- Sockets, Value <- [false, 0]]).

%% Nothing when it cannot be told.
-spec found([{returned, term()} | {error, term()}]) -> [boolean()].
found(Outcomes) ->
    case lists:usort([yes || {returned, {ok, _}} <- Outcomes] ++ [unclear || {returned, {error, Reason}} <- Outcomes,
                                                                             Reason =/= enoprotoopt, Reason =/= enotsup]) of
        [] -> [false];
        [unclear] -> [];
        Yes -> [lists:member(yes, Yes)]
    end.

-spec options_of_sctp_are_supported_where_sctp_is(config()) -> term().
options_of_sctp_are_supported_where_sctp_is(_) ->
    Supported = [Option || {Option, true} <- ?S:supports(options, sctp)],
    case ?S:open(inet, stream, sctp) of
        {ok, Socket} ->
            ct:log("supported: ~p", [Supported]),
            ?assertEqual([], [events, initmsg, nodelay, rtoinfo, status, autoclose, auth_key] -- Supported),
            ?assertEqual([], [explicit_eor, use_ext_recvinfo] -- [Option || {Option, false} <- ?S:supports(options, sctp)]),
            [?assertMatch({Option, {ok, _}}, {Option, ?S:getopt(Socket, sctp, Option)})
             || Option <- [events, initmsg, nodelay, rtoinfo, disable_fragments, maxseg]],
            close(Socket);
        {error, Reason} ->
            ct:log("no SCTP here: ~p", [Reason]),
            ?assertEqual([], Supported)
    end.

%% ---- the helper ----

-spec supports_needs_no_socket_before(config()) -> term().
supports_needs_no_socket_before(_) ->
    ?assertEqual({returned, ?S:supports()}, fresh(supports, [], [])),
    ?assertEqual({returned, true}, fresh(is_supported, [options, tcp, nodelay], [])).

-spec nothing_is_supported_without_a_helper(config()) -> term().
nothing_is_supported_without_a_helper(_) ->
    [?assertEqual({returned, Nothing}, fresh(Function, Arguments, [{"GOSOCKET_HELPER", "/nonexistent"}]))
     || {Function, Arguments, Nothing} <- [{supports, [], []}, {supports, [options], []}, {is_supported, [local], false}]].

-spec fresh(atom(), [term()], [{string(), string()}]) -> term().
fresh(Function, Arguments, Environment) ->
    {Result, Printed} = gosocket_test_node:wait(gosocket_test_node:start(?S, Function, Arguments, Environment)),
    ct:log("~ts", [Printed]),
    Result.
