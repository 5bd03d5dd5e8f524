%% Arguments that are wrong in part, in every place where they can be: what is said of them does not depend on the
%% call, nor, but where it is told, on whether the socket is closed. A row is {Function, Arguments behind the socket}.
-module(gosocket_argument_SUITE).

-export([
    first_unknown_flag_is_named_however_the_list_ends/1,
    list_of_good_flags_that_ends_badly_is_a_function_clause/1,
    path_with_what_no_string_has_is_badarg/1,
    path_that_is_no_path_is_named/1,
    path_is_chardata/1,
    bad_parts_of_addresses_count_before_closed/1,
    bad_parts_of_messages_do_not_count_before_closed/1,
    integers_of_any_size_are_out_of_range/1,
    too_many_parts_count_behind_all_else/1,
    values_that_the_kernel_would_refuse_do_not_count_before_closed/1,
    what_linux_lacks_is_einval_by_either_name/1,
    options_of_characters_take_binaries/1,
    a_received_message_may_be_sent_back/1
]).

-define(OURS, [options_of_characters_take_binaries, a_received_message_may_be_sent_back]).
-include("gosocket_test.hrl").

%% ---- flags ----

-spec with_flags(list()) -> [{atom(), [term()]}].
with_flags(Flags) ->
    [{send, [<<"x">>, Flags, 0]}, {sendto, [<<"x">>, target(), Flags, 0]}, {sendmsg, [#{iov => [<<"x">>]}, Flags, 0]} | receiving(Flags)].

-spec receiving(list()) -> [{atom(), [term()]}].
receiving(Flags) ->
    [{recv, [0, Flags, 0]}, {recvfrom, [0, Flags, 0]}, {recvmsg, [0, 0, Flags, 0]}].

-spec target() -> map().
target() ->
    #{family => inet, addr => {127, 0, 0, 1}, port => 9}.

-spec first_unknown_flag_is_named_however_the_list_ends(config()) -> term().
first_unknown_flag_is_named_however_the_list_ends(_) ->
    [same({raise, {invalid, {flag, Unknown}}}, Kind, with_flags(Flags))
     || Kind <- [open, closed],
        {Unknown, Flags} <- [{foo, [oob, foo | bar]}, {foo, [foo | bar]}, {foo, [foo, bar | 17]}, {17, [17 | bar]}, {17, [oob, 17]},
                             {[], [oob, []]}, {[oob], [[oob]]}, {$a, "abc"}, {{}, [oob, {}, foo]}]].

-spec list_of_good_flags_that_ends_badly_is_a_function_clause(config()) -> term().
list_of_good_flags_that_ends_badly_is_a_function_clause(_) ->
    [same({raise, function_clause}, Kind, Calls)
     || Kind <- [open, closed], Calls <- [with_flags([oob | bar]), with_flags([oob, oob | {}]), receiving([peek, trunc | foo])]].

%% ---- paths ----

-spec with_address(term()) -> [{atom(), [term()]}].
with_address(Address) ->
    [{bind, [Address]} | with_destination(Address)].

-spec with_destination(term()) -> [{atom(), [term()]}].
with_destination(Address) ->
    [{connect, [Address]}, {connect, [Address, 0]}, {sendto, [<<"x">>, Address]}, {sendmsg, [#{iov => [<<"x">>], addr => Address}]}].

-spec path_with_what_no_string_has_is_badarg(config()) -> term().
path_with_what_no_string_has_is_badarg(_) ->
    [same({raise, badarg}, Kind, with_address(#{family => local, path => Path}))
     || Kind <- [open, closed],
        Path <- [[foo], [256, foo], [foo, 1114112], [1114112, foo], [-1, foo], [$a, 1.5], [#{}], [{}], [[foo]], [<<"a">>, foo], [0, foo],
                 [$a, [], foo], [[97 | 98]], [[a | b]], [["q" | c]], [<<1:1>>], [<<255>>, foo], [lists:duplicate(300, $a), foo],
                 [<<0:2400>>, foo], [self()]]].

-spec path_that_is_no_path_is_named(config()) -> term().
path_that_is_no_path_is_named(_) ->
    [?assertMatch({raise, {invalid, {address, #{family := local}}}}, outcome_of(Socket, Call))
     || Kind <- [open, closed],
        Socket <- [socket(Kind)],
        Path <- ["", [[]], [[], []], <<>>, foo, {a}, <<1:3>>, [-1], [55296], [1114112], [1 bsl 70], [1 bsl 70, foo], [<<255>>],
                 [<<195>>, 169], [foo | bar], [$a | foo], [$a | <<"b">>], [256 | foo], lists:duplicate(256, $p),
                 lists:duplicate(255, []), lists:duplicate(256, $p) ++ [foo], [lists:duplicate(300, $a)]],
        Call <- with_address(#{family => local, path => Path})].

-spec path_is_chardata(config()) -> term().
path_is_chardata(_) ->
    Name = list_to_binary(unique()),
    [begin
         Socket = unconnected({local, dgram}),
         {ok, 0} = ?S:bind(Socket, #{family => local, path => Path}),
         ?assertEqual({ok, #{family => local, path => binary_to_list(unicode:characters_to_binary(Path))}}, ?S:sockname(Socket)),
         close(Socket)
     end || Path <- [[0, Name], [[0], Name, [[["x"]]]], [0, Name, 228, [8364]], [0, Name, [<<195>>, <<169>>]], [[0 | Name]],
                     [0, [], Name | []], nested(100000, [0, Name])]].

-spec nested(non_neg_integer(), term()) -> term().
nested(0, Term) -> Term;
nested(N, Term) -> nested(N - 1, [Term]).

%% ---- what is wrong in part ----

-spec bad_addresses() -> [map()].
bad_addresses() ->
    Loopback = {127, 0, 0, 1},
    [#{family => inet, addr => foo, port => 1}, #{family => inet, addr => Loopback, port => foo},
     #{family => inet, addr => Loopback, port => 1 bsl 64}, #{family => inet, addr => "x", port => 1},
     #{family => inet, addr => {1, 2, 3}, port => 1}, #{family => inet, addr => {foo, 2, 3, 4}, port => 1},
     #{family => inet, addr => 17, port => 1}, #{family => inet, addr => <<1, 2, 3, 4>>, port => 1},
     #{family => inet6, addr => foo, port => 1}, #{family => inet6, addr => broadcast, port => 1},
     #{family => inet6, addr => {1, 2, 3}, port => 1}, #{family => inet6, addr => {foo, 0, 0, 0, 0, 0, 0, 1}, port => 1},
     #{family => inet6, addr => loopback, port => 1, flowinfo => foo}, #{family => inet6, addr => loopback, port => 1, flowinfo => -1},
     #{family => inet6, addr => loopback, port => 1, scope_id => foo}, #{family => inet6, addr => loopback, port => foo},
     #{family => local, path => lists:duplicate(110, $p)}].

-spec bad_parts_of_addresses_count_before_closed(config()) -> term().
bad_parts_of_addresses_count_before_closed(_) ->
    [begin
         Expected = case Function of sendto -> {error, {einval, 3}}; _ -> {error, einval} end,
         same(Expected, Kind, [Call])
     end || Kind <- [open, closed],
            Address <- bad_addresses(),
            {Function, _} = Call <- [{bind, [Address]}, {connect, [Address]}, {connect, [Address, 0]}, {sendto, [<<"abc">>, Address]},
                                     {sendto, [<<"abc">>, Address, [], 0]}]].

-spec bad_parts_of_messages_do_not_count_before_closed(config()) -> term().
bad_parts_of_messages_do_not_count_before_closed(_) ->
    Calls = [{sendmsg, [#{iov => [<<"x">>], addr => Address}]} || Address <- bad_addresses()]
        ++ [{sendmsg, [#{iov => [<<"x">>], ctrl => Ctrl}]} || Ctrl <- [foo, [foo], [#{}], [foo | bar]]],
    same({error, einval}, open, Calls),
    same({error, closed}, closed, Calls).

%% ---- options ----

-spec sizes() -> [integer()].
sizes() ->
    [1 bsl 31, 1 bsl 63, 1 bsl 64, 1 bsl 2400, -(1 bsl 63) - 1, -(1 bsl 64), -(1 bsl 2400)].

-spec integers_of_any_size_are_out_of_range(config()) -> term().
integers_of_any_size_are_out_of_range(_) ->
    [same({raise, {invalid, {not_supported, {ip, multicast_ttl, Value}}}}, Kind, [{setopt, [ip, multicast_ttl, Value]}])
     || Kind <- [open, closed], Value <- [256 | sizes()]],
    [same({raise, {invalid, {not_supported, {ipv6, Option, Value}}}}, closed, [{setopt, [ipv6, Option, Value]}])
     || Option <- [multicast_hops, unicast_hops], Value <- [256 | sizes()]].

-spec values_that_the_kernel_would_refuse_do_not_count_before_closed(config()) -> term().
values_that_the_kernel_would_refuse_do_not_count_before_closed(_) ->
    Calls = [{setopt, [Level, Option, Value]}
             || {Level, Option} <- [{ip, ttl}, {ip, tos}, {ip, minttl}, {ip, mtu_discover}, {socket, sndbuf}, {socket, priority},
                                    {socket, peek_off}],
                Value <- sizes()] ++ [{setopt, [ip, dontfrag, true]}, {setopt, [socket, linger, {true, 1 bsl 64}]}],
    same({error, einval}, open, Calls),
    same({error, closed}, closed, Calls).

-spec what_linux_lacks_is_einval_by_either_name(config()) -> term().
what_linux_lacks_is_einval_by_either_name(_) ->
    Calls = [{getopt, [ip, sendsrcaddr]}, {setopt, [ip, sendsrcaddr, true]}],
    same({error, einval}, open, Calls),
    same({error, closed}, closed, Calls),
    same({raise, {invalid, {not_supported, {ip, sndsrcaddr}}}}, open, [{getopt, [ip, sndsrcaddr]}]).

-spec options_of_characters_take_binaries(config()) -> term().
options_of_characters_take_binaries(_) ->
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, tcp, congestion, <<"reno">>),
    ?assertEqual({ok, "reno"}, ?S:getopt(Socket, tcp, congestion)),
    ok = ?S:setopt(Socket, socket, bindtodevice, <<"lo">>),
    ?assertEqual({ok, "lo"}, ?S:getopt(Socket, socket, bindtodevice)),
    ?assertEqual({error, enoent}, ?S:setopt(Socket, tcp, ulp, <<"nope">>)),
    ?assertError({invalid, {not_supported, {tcp, congestion, <<1:1>>}}}, ?S:setopt(Socket, tcp, congestion, <<1:1>>)),
    close(Socket).

%% ---- messages ----

-spec too_many_parts_count_behind_all_else(config()) -> term().
too_many_parts_count_behind_all_else(_) ->
    MsgHdr = #{iov => lists:duplicate(1025, <<0:(300 * 8)>>), addr => target()},
    [same(case Kind of open -> {error, emsgsize}; closed -> {error, closed} end, Kind, [{sendmsg, [MsgHdr | Rest]}])
     || Kind <- [open, closed], Rest <- [[], [0], [nowait], [[nosignal]], [[], 1000]]],
    [begin
         same({raise, {invalid, {flag, foo}}}, Kind, [{sendmsg, [MsgHdr, [foo]]}]),
         same({raise, {invalid, {address, #{}}}}, Kind, [{sendmsg, [MsgHdr#{addr := #{}}]}])
     end || Kind <- [open, closed]],
    same({error, einval}, open, [{sendmsg, [MsgHdr#{ctrl => foo}]}]).

%% Who has no address is `undefined', which to sendmsg is no address.
-spec a_received_message_may_be_sent_back(config()) -> term().
a_received_message_may_be_sent_back(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:send(A, <<"there and back">>),
         {ok, MsgHdr} = ?S:recvmsg(B, ?PATIENCE),
         ok = ?S:sendmsg(B, MsgHdr),
         ?assertMatch({ok, #{iov := [<<"there and back">>]}}, ?S:recvmsg(A, ?PATIENCE)),
         close({A, B})
     end || Kind <- kinds()].

%% ---- rows ----

-spec socket(open | closed) -> socket().
socket(open) ->
    %% nothing comes to it, and it stays as it is
    case get(socket) of
        undefined ->
            Socket = unconnected({inet, dgram}),
            put(socket, Socket),
            Socket;
        Socket ->
            Socket
    end;
socket(closed) ->
    Socket = unconnected({inet, dgram}),
    close(Socket),
    Socket.

-spec same(term(), open | closed, [{atom(), [term()]}]) -> ok.
same(Expected, Kind, Calls) ->
    Socket = socket(Kind),
    [?assertEqual({Kind, Call, Expected}, {Kind, Call, outcome_of(Socket, Call)}) || Call <- Calls],
    ok.

-spec outcome_of(socket(), {atom(), [term()]}) -> term().
outcome_of(Socket, {Function, Arguments}) ->
    case outcome(fun() -> apply(?S, Function, [Socket | Arguments]) end) of
        {returned, Value} -> Value;
        {error, Reason} -> {raise, Reason}
    end.
