%% Options: what a fresh socket has, what is set reads back, and that something else sees it too.
-module(gosocket_option_SUITE).

-export([
    otp_defaults/1,
    otp_sizes_read_back_and_0_means_the_default/1,
    otp_sizes_beyond_32_bits_are_einval/1,
    otp_rcvbuf_takes_both_forms/1,
    otp_fd_is_a_descriptor_of_the_helper/1,
    otp_options_that_cannot_be_set/1,
    accepted_sockets_inherit_what_the_helper_keeps/1,
    otp_domain_is_that_of_the_socket/1,
    identity_options_tell_domain_type_protocol/1,
    booleans_read_back/1,
    booleans_are_seen_by_native_options/1,
    buffer_sizes_are_doubled_by_the_kernel/1,
    integers_beyond_32_bits_are_einval/1,
    linger_reads_back_as_a_pair/1,
    linger_takes_the_map_of_later_releases/1,
    acceptconn_is_true_of_a_listener/1,
    error_is_told_once/1,
    broadcast_is_needed_to_send_to_a_broadcast_address/1,
    keepalive_reuseaddr_and_sizes_are_inherited/1,
    nodelay_is_of_tcp_only/1,
    v6only_cannot_change_after_bind/1,
    native_integers_booleans_and_binaries/1,
    native_size_0_and_errors/1,
    atom_level_with_native_option/1,
    open_of_a_descriptor_shares_the_socket/1,
    open_of_a_descriptor_without_dup_leaves_it_open/1,
    open_of_a_descriptor_takes_the_systems_word/1,
    open_of_what_is_no_socket_is_an_error/1
]).

-define(OURS, [
    booleans_are_seen_by_native_options,
    linger_takes_the_map_of_later_releases,
    error_is_told_once,
    native_integers_booleans_and_binaries,
    native_size_0_and_errors,
    atom_level_with_native_option,
    open_of_a_descriptor_shares_the_socket, % hangs the reference
    open_of_a_descriptor_without_dup_leaves_it_open
]).
-define(ONE_LANE, [
    open_of_a_descriptor_shares_the_socket,
    open_of_a_descriptor_takes_the_systems_word,
    open_of_a_descriptor_without_dup_leaves_it_open,
    open_of_what_is_no_socket_is_an_error
]).
-include("gosocket_test.hrl").

%% <asm-generic/socket.h>, <netinet/tcp.h>
-define(SOL_SOCKET, 1).
-define(SO_REUSEADDR, 2).
-define(SO_TYPE, 3).
-define(SO_BROADCAST, 6).
-define(SO_RCVBUF, 8).
-define(SO_KEEPALIVE, 9).
-define(SO_LINGER, 13).
-define(SO_REUSEPORT, 15).
-define(IPPROTO_TCP, 6).
-define(TCP_NODELAY, 1).

%% ---- otp ----

-spec otp_defaults(config()) -> term().
otp_defaults(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual([{debug, {ok, false}}, {iow, {ok, false}}, {controlling_process, {ok, self()}}, {rcvbuf, {ok, 8192}},
                  {rcvctrlbuf, {ok, 1024}}, {sndctrlbuf, {ok, 1024}}, {meta, {ok, undefined}}, {use_registry, {ok, true}},
                  {domain, {ok, inet}}],
                 [{Key, ?S:getopt(Socket, otp, Key)}
                  || Key <- [debug, iow, controlling_process, rcvbuf, rcvctrlbuf, sndctrlbuf, meta, use_registry, domain]]),
    close(Socket).

-spec otp_sizes_read_back_and_0_means_the_default(config()) -> term().
otp_sizes_read_back_and_0_means_the_default(_) ->
    Socket = unconnected({inet, stream}),
    [begin
         [?assertEqual({Key, Set, ok, {ok, Read}}, {Key, Set, ?S:setopt(Socket, otp, Key, Set), ?S:getopt(Socket, otp, Key)})
          || {Set, Read} <- [{1, 1}, {100000, 100000}, {0, Default}, {7, 7}, {default, Default}]]
     end || {Key, Default} <- [{rcvbuf, 8192}, {rcvctrlbuf, 1024}, {sndctrlbuf, 1024}]],
    close(Socket).

-spec otp_rcvbuf_takes_both_forms(config()) -> term().
otp_rcvbuf_takes_both_forms(_) ->
    Socket = unconnected({inet, stream}),
    [?assertEqual({Set, ok, {ok, Set}}, {Set, ?S:setopt(Socket, otp, rcvbuf, Set), ?S:getopt(Socket, otp, rcvbuf)})
     || Set <- [{3, 1000}, 2000, {1, 1}, {100, 65536}]],
    close(Socket).

%% Proves: otp fd
-spec otp_fd_is_a_descriptor_of_the_helper(config()) -> term().
otp_fd_is_a_descriptor_of_the_helper(_) ->
    Socket = unconnected({inet, stream}),
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    {ok, Target} = file:read_link(lists:concat(["/proc/", descriptor_owner(), "/fd/", FD])),
    ?assertMatch("socket:" ++ _, Target),
    close(Socket).

-ifdef(REFERENCE).
-spec descriptor_owner() -> string() | pos_integer().
descriptor_owner() -> os:getpid().
-else.
descriptor_owner() -> helper_os_pid().
-endif.

-spec otp_options_that_cannot_be_set(config()) -> term().
otp_options_that_cannot_be_set(_) ->
    Socket = unconnected({inet, stream}),
    [?assertEqual({Key, {error, einval}}, {Key, ?S:setopt(Socket, otp, Key, Value)})
     || {Key, Value} <- [{fd, 5}, {use_registry, false}, {domain, inet}]],
    ?assertEqual({error, {invalid, {not_supported, {otp, use_registry, 1}}}},
                 outcome(fun() -> ?S:setopt(Socket, otp, use_registry, 1) end)),
    close(Socket).

-spec otp_sizes_beyond_32_bits_are_einval(config()) -> term().
otp_sizes_beyond_32_bits_are_einval(_) ->
    Socket = unconnected({inet, stream}),
    Sizes = [16#80000000, 1 bsl 32, 1 bsl 63, 1 bsl 64, 1 bsl 100],
    [?assertEqual({Key, Size, {error, einval}}, {Key, Size, ?S:setopt(Socket, otp, Key, Size)})
     || Key <- [rcvbuf, rcvctrlbuf, sndctrlbuf], Size <- Sizes],
    [?assertEqual({Size, {error, einval}}, {Size, ?S:setopt(Socket, otp, rcvbuf, {3, Size})}) || Size <- Sizes],
    ?assertEqual({ok, 8192}, ?S:getopt(Socket, otp, rcvbuf)),
    close(Socket).

%% Proves: otp debug, otp iow
-spec accepted_sockets_inherit_what_the_helper_keeps(config()) -> term().
accepted_sockets_inherit_what_the_helper_keeps(_) ->
    Inherited = [{debug, true}, {iow, true}, {rcvbuf, {3, 1000}}, {rcvctrlbuf, 77}, {sndctrlbuf, 78}],
    Listener = listener({inet, stream}, fun(Socket) ->
        lists:foreach(fun({Key, Value}) -> ok = ?S:setopt(Socket, otp, Key, Value) end, [{meta, mine} | Inherited])
    end),
    Client = unconnected({inet, stream}),
    Accepted = accepted(Listener, Client),
    ?assertEqual(Inherited, [{Key, element(2, ?S:getopt(Accepted, otp, Key))} || {Key, _} <- Inherited]),
    ?assertEqual({ok, undefined}, ?S:getopt(Accepted, otp, meta)),
    close([Listener, Client, Accepted]).

%% Proves: otp domain
-spec otp_domain_is_that_of_the_socket(config()) -> term().
otp_domain_is_that_of_the_socket(_) ->
    [begin
         Socket = unconnected(Kind),
         ?assertEqual(?S:getopt(Socket, socket, domain), ?S:getopt(Socket, otp, domain)),
         close(Socket)
     end || Kind <- gosocket_test_net:kinds()].

%% ---- socket, tcp, ipv6 ----

-spec identity_options_tell_domain_type_protocol(config()) -> term().
identity_options_tell_domain_type_protocol(_) ->
    [begin
         Socket = unconnected({Domain, Type}),
         ?assertEqual([{ok, Domain}, {ok, Type}, {ok, Protocol}],
                      [?S:getopt(Socket, socket, Key) || Key <- [domain, type, protocol]]),
         close(Socket)
     end || {Domain, Type, Protocol} <- [{inet, stream, tcp}, {inet, dgram, udp}, {inet6, stream, tcp},
                                         {local, stream, default}, {local, seqpacket, default}]].

-spec booleans() -> [{Level :: atom(), Option :: atom()}].
booleans() ->
    [{socket, reuseaddr}, {socket, reuseport}, {socket, keepalive}, {socket, broadcast}, {tcp, nodelay}].

-spec booleans_read_back(config()) -> term().
booleans_read_back(_) ->
    Socket = unconnected({inet, stream}),
    [?assertEqual({Option, {ok, false}, ok, {ok, true}, ok, {ok, false}},
                  {Option, ?S:getopt(Socket, Level, Option), ?S:setopt(Socket, Level, Option, true),
                   ?S:getopt(Socket, Level, Option), ?S:setopt(Socket, Level, Option, false),
                   ?S:getopt(Socket, Level, Option)}) || {Level, Option} <- booleans()],
    close(Socket).

-spec booleans_are_seen_by_native_options(config()) -> term().
booleans_are_seen_by_native_options(_) ->
    Socket = unconnected({inet, stream}),
    [begin
         ok = ?S:setopt(Socket, Level, Option, true),
         ?assertEqual({Option, {ok, 1}}, {Option, ?S:getopt(Socket, LevelNumber, {Number, int})}),
         ok = ?S:setopt(Socket, LevelNumber, Number, <<0:32>>),
         ?assertEqual({Option, {ok, false}}, {Option, ?S:getopt(Socket, Level, Option)})
     end || {{Level, Option}, {LevelNumber, Number}} <-
                lists:zip(booleans(), [{?SOL_SOCKET, ?SO_REUSEADDR}, {?SOL_SOCKET, ?SO_REUSEPORT}, {?SOL_SOCKET, ?SO_KEEPALIVE},
                                       {?SOL_SOCKET, ?SO_BROADCAST}, {?IPPROTO_TCP, ?TCP_NODELAY}])],
    close(Socket).

%% socket(7)
-spec buffer_sizes_are_doubled_by_the_kernel(config()) -> term().
buffer_sizes_are_doubled_by_the_kernel(_) ->
    Socket = unconnected({inet, dgram}),
    [?assertEqual({Key, ok, {ok, 40000}}, {Key, ?S:setopt(Socket, socket, Key, 20000), ?S:getopt(Socket, socket, Key)})
     || Key <- [rcvbuf, sndbuf]],
    close(Socket).

-spec integers_beyond_32_bits_are_einval(config()) -> term().
integers_beyond_32_bits_are_einval(_) ->
    Socket = unconnected({inet, dgram}),
    [?assertEqual({error, einval}, ?S:setopt(Socket, socket, rcvbuf, Value)) || Value <- [1 bsl 31, 1 bsl 40, -(1 bsl 40)]],
    close(Socket).

-spec linger_reads_back_as_a_pair(config()) -> term().
linger_reads_back_as_a_pair(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual({ok, {false, 0}}, ?S:getopt(Socket, socket, linger)),
    [?assertEqual({Set, ok, {ok, Read}}, {Set, ?S:setopt(Socket, socket, linger, Set), ?S:getopt(Socket, socket, linger)})
     || {Set, Read} <- [{{true, 5}, {true, 5}}, {{false, 0}, {false, 5}}, {{true, 0}, {true, 0}}, {abort, {true, 0}}]],
    ?assertEqual({error, einval}, ?S:setopt(Socket, socket, linger, {true, 1 bsl 31})),
    close(Socket).

-spec linger_takes_the_map_of_later_releases(config()) -> term().
linger_takes_the_map_of_later_releases(_) ->
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, socket, linger, #{onoff => true, linger => 7}),
    ?assertEqual({ok, {true, 7}}, ?S:getopt(Socket, socket, linger)),
    ?assertEqual({ok, <<1:32/native, 7:32/native>>}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_LINGER, 8})),
    close(Socket).

%% Proves: socket acceptconn
-spec acceptconn_is_true_of_a_listener(config()) -> term().
acceptconn_is_true_of_a_listener(_) ->
    Socket = bound({inet, stream}),
    ?assertEqual({ok, false}, ?S:getopt(Socket, socket, acceptconn)),
    ok = ?S:listen(Socket),
    ?assertEqual({ok, true}, ?S:getopt(Socket, socket, acceptconn)),
    close(Socket).

%% Proves: socket error
-spec error_is_told_once(config()) -> term().
error_is_told_once(_) ->
    {A, B} = pair({inet, dgram}),
    close(B),
    ?assertEqual({ok, none}, ?S:getopt(A, socket, error)),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual([{ok, econnrefused}, {ok, none}], [?S:getopt(A, socket, error) || _ <- [1, 2]]),
    close(A).

%% Proves: socket broadcast
-spec broadcast_is_needed_to_send_to_a_broadcast_address(config()) -> term().
broadcast_is_needed_to_send_to_a_broadcast_address(_) ->
    Socket = unconnected({inet, dgram}),
    Everybody = #{family => inet, addr => {127, 255, 255, 255}, port => 9},
    ?assertEqual({error, {eacces, 1}}, ?S:sendto(Socket, <<"x">>, Everybody)),
    ok = ?S:setopt(Socket, socket, broadcast, true),
    ?assertEqual(ok, ?S:sendto(Socket, <<"x">>, Everybody)),
    close(Socket).

%% Proves: socket keepalive, socket reuseaddr, socket linger, tcp nodelay
-spec keepalive_reuseaddr_and_sizes_are_inherited(config()) -> term().
keepalive_reuseaddr_and_sizes_are_inherited(_) ->
    Set = [{socket, keepalive, true}, {socket, reuseaddr, true}, {socket, linger, {true, 3}}, {tcp, nodelay, true}],
    Listener = listener({inet, stream}, fun(Socket) ->
        lists:foreach(fun({Level, Key, Value}) -> ok = ?S:setopt(Socket, Level, Key, Value) end, Set)
    end),
    Client = unconnected({inet, stream}),
    Accepted = accepted(Listener, Client),
    ?assertEqual(Set, [{Level, Key, element(2, ?S:getopt(Accepted, Level, Key))} || {Level, Key, _} <- Set]),
    ok = ?S:setopt(Accepted, socket, linger, {false, 0}),
    close([Listener, Client, Accepted]).

-spec nodelay_is_of_tcp_only(config()) -> term().
nodelay_is_of_tcp_only(_) ->
    [begin
         Socket = unconnected(Kind),
         ?assertEqual({Kind, {error, enotsup}}, {Kind, ?S:getopt(Socket, tcp, nodelay)}),
         close(Socket)
     end || Kind <- [{local, stream}, {inet, dgram}]].

-spec v6only_cannot_change_after_bind(config()) -> term().
v6only_cannot_change_after_bind(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Socket = unconnected({inet6, stream}),
    ?assertEqual([ok, {ok, true}], [?S:setopt(Socket, ipv6, v6only, true), ?S:getopt(Socket, ipv6, v6only)]),
    {ok, _} = ?S:bind(Socket, loopback),
    ?assertEqual({error, einval}, ?S:setopt(Socket, ipv6, v6only, false)),
    Inet = unconnected({inet, stream}),
    ?assertEqual({error, enotsup}, ?S:getopt(Inet, ipv6, v6only)),
    ?assertEqual({error, enoprotoopt}, ?S:setopt(Inet, ipv6, v6only, true)),
    close({Socket, Inet}).

%% ---- native ----

-spec native_integers_booleans_and_binaries(config()) -> term().
native_integers_booleans_and_binaries(_) ->
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, ?SOL_SOCKET, ?SO_RCVBUF, <<20000:32/native>>),
    ?assertEqual({ok, 40000}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_RCVBUF, int})),
    ?assertEqual({ok, true}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_RCVBUF, bool})),
    ?assertEqual({ok, false}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_KEEPALIVE, bool})),
    ?assertEqual({ok, <<40000:32/native>>}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_RCVBUF, 4})),
    ?assertEqual({ok, <<40000:32/native>>}, ?S:getopt(Socket, ?SOL_SOCKET, {?SO_RCVBUF, 100})),
    close(Socket).

-spec native_size_0_and_errors(config()) -> term().
native_size_0_and_errors(_) ->
    Socket = unconnected({inet, stream}),
    ?assert(lists:member(?S:getopt(Socket, ?SOL_SOCKET, {?SO_TYPE, 0}), [ok, {error, efault}])),
    ?assertEqual({error, enoprotoopt}, ?S:getopt(Socket, ?SOL_SOCKET, {9999, int})),
    ?assertEqual({error, enoprotoopt}, ?S:setopt(Socket, ?SOL_SOCKET, 9999, <<1:32>>)),
    ?assertEqual({error, einval}, ?S:setopt(Socket, ?SOL_SOCKET, ?SO_KEEPALIVE, <<1>>)),
    ?assertEqual({error, {invalid, {not_supported, ?SOL_SOCKET}}},
                 outcome(fun() -> ?S:setopt(Socket, ?SOL_SOCKET, ?SO_KEEPALIVE, true) end)),
    close(Socket).

-spec atom_level_with_native_option(config()) -> term().
atom_level_with_native_option(_) ->
    Socket = unconnected({inet, stream}),
    ok = ?S:setopt(Socket, socket, ?SO_KEEPALIVE, <<1:32/native>>),
    ?assertEqual({ok, true}, ?S:getopt(Socket, socket, keepalive)),
    ?assertEqual({ok, 1}, ?S:getopt(Socket, socket, {?SO_KEEPALIVE, int})),
    ok = ?S:setopt(Socket, tcp, ?TCP_NODELAY, <<1:32/native>>),
    ?assertEqual({ok, true}, ?S:getopt(Socket, tcp, nodelay)),
    close(Socket).

%% ---- open(FD) ----

-spec open_of_a_descriptor_shares_the_socket(config()) -> term().
open_of_a_descriptor_shares_the_socket(_) ->
    {A, B} = pair({local, stream}),
    {ok, FD} = ?S:getopt(B, otp, fd),
    {ok, Copy} = ?S:open(FD),
    close(B),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(Copy, 1, ?PATIENCE)),
    Reader = start(fun() -> ?S:recv(Copy, 1) end),
    await_parked(Copy, num_readers, 1),
    ok = ?S:send(A, <<"y">>),
    ?assertEqual({ok, <<"y">>}, result(Reader)),
    close({A, Copy}).

-spec open_of_a_descriptor_without_dup_leaves_it_open(config()) -> term().
open_of_a_descriptor_without_dup_leaves_it_open(_) ->
    {A, B} = pair({local, stream}),
    {ok, FD} = ?S:getopt(B, otp, fd),
    {ok, Same} = ?S:open(FD, #{dup => false}),
    ?assertEqual({ok, FD}, ?S:getopt(Same, otp, fd)),
    Reader = start(fun() -> ?S:recv(Same, 1) end),
    await_parked(Same, num_readers, 1),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, result(Reader)),
    close(Same),
    ok = ?S:send(A, <<"y">>),
    ?assertEqual({ok, <<"y">>}, ?S:recv(B, 1, ?PATIENCE)),
    close({A, B}).

-spec open_of_a_descriptor_takes_the_systems_word(config()) -> term().
open_of_a_descriptor_takes_the_systems_word(_) ->
    Socket = unconnected({inet, stream}),
    {ok, FD} = ?S:getopt(Socket, otp, fd),
    {ok, Copy} = ?S:open(FD, #{domain => local, type => dgram, protocol => udp}),
    ?assertMatch(#{domain := inet, type := stream, protocol := tcp}, ?S:info(Copy)),
    ?assertEqual({error, {invalid, {domain, foo}}}, outcome(fun() -> ?S:open(FD, #{domain => foo}) end)),
    ?assertEqual({error, {invalid, {domain, FD}}}, outcome(fun() -> ?S:open(FD, foo) end)),
    close({Socket, Copy}).

-spec open_of_what_is_no_socket_is_an_error(config()) -> term().
open_of_what_is_no_socket_is_an_error(_) ->
    [?assertEqual({FD, {error, epfnosupport}}, {FD, ?S:open(FD)}) || FD <- [-1, 19999]].
