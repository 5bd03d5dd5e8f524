%% Addresses of domains inet, inet6 and local: what is taken, what is refused, what comes back.
-module(gosocket_address_SUITE).

-export([
    bind_gives_the_port_that_the_kernel_chose/1,
    bind_takes_any_loopback_and_broadcast/1,
    bind_merges_defaults_and_ignores_other_keys/1,
    bind_errors_of_the_kernel/1,
    bind_refuses_what_does_not_fit_in_16_bits/1,
    bind_of_a_wrong_family_or_field/1,
    bind_of_a_second_address_is_einval/1,
    a_taken_port_is_eaddrinuse_unless_reuseaddr_or_reuseport/1,
    inet6_carries_flowinfo_and_scope_id/1,
    inet6_socket_shows_a_mapped_source/1,
    v6only_socket_refuses_mapped_addresses/1,
    connect_to_any_reaches_loopback/1,
    connect_takes_loopback_without_port_defaults/1,
    sockname_of_an_unbound_socket_is_any_and_0/1,
    local_path_is_a_string_or_a_binary/1,
    local_path_of_unicode_comes_back_as_bytes/1,
    local_path_holds_up_to_107_bytes/1,
    local_path_is_cut_at_its_first_zero/1,
    abstract_name_holds_108_bytes_and_keeps_zeros/1,
    local_path_stays_after_close/1,
    unnamed_local_socket_has_an_empty_path/1,
    unnamed_sender_is_undefined/1,
    sendto_errors_name_the_size/1,
    accept_tells_apart_unnamed_and_bound_clients/1
]).

-define(OURS, [bind_refuses_what_does_not_fit_in_16_bits]).
-include("gosocket_test.hrl").

%% ---- inet, inet6 ----

-spec bind_gives_the_port_that_the_kernel_chose(config()) -> term().
bind_gives_the_port_that_the_kernel_chose(_) ->
    [begin
         Socket = unconnected({Domain, Type}),
         {ok, Port} = ?S:bind(Socket, loopback(Domain)),
         ?assert(Port > 0),
         ?assertMatch(#{family := Domain, port := Port}, local_address(Socket)),
         close(Socket)
     end || {Domain, Type} <- kinds(), Domain =/= local],
    Local = unconnected({local, stream}),
    ?assertEqual({ok, 0}, ?S:bind(Local, abstract())),
    close(Local).

-spec bind_takes_any_loopback_and_broadcast(config()) -> term().
bind_takes_any_loopback_and_broadcast(_) ->
    [begin
         Socket = unconnected({Domain, dgram}),
         ?assertMatch({ok, _}, ?S:bind(Socket, Name)),
         ?assertMatch(#{addr := Address}, local_address(Socket)),
         close(Socket)
     end || {Domain, Name, Address} <- [{inet, any, {0, 0, 0, 0}}, {inet, loopback, {127, 0, 0, 1}},
                                        {inet, broadcast, {255, 255, 255, 255}}] ++ inet6_names()].

-spec inet6_names() -> [{inet6, any | loopback, inet:ip6_address()}].
inet6_names() ->
    [Row || has_ipv6(), Row <- [{inet6, any, {0, 0, 0, 0, 0, 0, 0, 0}}, {inet6, loopback, {0, 0, 0, 0, 0, 0, 0, 1}}]].

-spec bind_merges_defaults_and_ignores_other_keys(config()) -> term().
bind_merges_defaults_and_ignores_other_keys(_) ->
    Socket = unconnected({inet, dgram}),
    {ok, Port} = ?S:bind(Socket, #{family => inet, colour => blue}),
    ?assertEqual(#{family => inet, addr => {0, 0, 0, 0}, port => Port}, local_address(Socket)),
    close(Socket),
    Bound = unconnected({inet, dgram}),
    ?assertEqual({ok, Port}, ?S:bind(Bound, #{family => inet, port => Port, addr => {127, 0, 0, 1}})),
    close(Bound).

-spec bind_errors_of_the_kernel(config()) -> term().
bind_errors_of_the_kernel(_) ->
    Stream = unconnected({inet, stream}),
    Local = unconnected({local, stream}),
    Rows = [{Stream, #{family => inet, addr => {192, 0, 2, 1}}, eaddrnotavail},
            {Local, any, eafnosupport}, {Local, loopback, eafnosupport}, {Local, broadcast, eafnosupport},
            {Local, #{family => local, path => "/" ++ unique() ++ "/missing"}, enoent}],
    [?assertEqual({Address, {error, Reason}}, {Address, ?S:bind(Socket, Address)}) || {Socket, Address, Reason} <- Rows],
    close({Stream, Local}).

-spec bind_refuses_what_does_not_fit_in_16_bits(config()) -> term().
bind_refuses_what_does_not_fit_in_16_bits(_) ->
    Socket = unconnected({inet, dgram}),
    [?assertEqual({Port, {error, einval}}, {Port, ?S:bind(Socket, #{family => inet, port => Port, addr => loopback})})
     || Port <- [-1, 65536, 70000, 1 bsl 40]],
    ?assertEqual({error, einval}, ?S:bind(Socket, #{family => inet, addr => {383, 0, 0, 1}})),
    close(Socket).

%% The kernel looks at the length first: 16 bytes for inet, 24 for inet6, of which 2 are the family.
-spec bind_of_a_wrong_family_or_field(config()) -> term().
bind_of_a_wrong_family_or_field(_) ->
    Path = fun(Size) -> #{family => local, path => <<0:Size/unit:8>>} end,
    Inet6 = #{family => inet6, addr => loopback},
    Rows = [{inet, Address, einval}
            || Address <- [#{family => inet, port => http}, #{family => inet, port => 1.0},
                           #{family => inet, addr => nowhere}, #{family => inet, addr => {127, 0, 1}},
                           #{family => inet, addr => "127.0.0.1"}]]
        ++ [{inet, Inet6, eafnosupport}, {inet, Path(13), einval}, {inet, Path(14), eafnosupport},
            {inet6, loopback(inet), einval}, {inet6, Path(21), einval}, {inet6, Path(22), eafnosupport},
            {inet6, broadcast, einval},
            {local, loopback(inet), einval}, {local, Inet6, einval}],
    [begin
         Socket = unconnected({Domain, dgram}),
         ?assertEqual({Domain, Address, {error, Reason}}, {Domain, Address, ?S:bind(Socket, Address)}),
         close(Socket)
     end || {Domain, Address, Reason} <- Rows].

-spec bind_of_a_second_address_is_einval(config()) -> term().
bind_of_a_second_address_is_einval(_) ->
    Socket = bound({inet, stream}),
    ?assertEqual({error, einval}, ?S:bind(Socket, loopback)),
    close(Socket).

-spec a_taken_port_is_eaddrinuse_unless_reuseaddr_or_reuseport(config()) -> term().
a_taken_port_is_eaddrinuse_unless_reuseaddr_or_reuseport(_) ->
    First = unconnected({inet, dgram}),
    Second = unconnected({inet, dgram}),
    {ok, _} = ?S:bind(First, loopback),
    Address = local_address(First),
    ?assertEqual({error, eaddrinuse}, ?S:bind(Second, Address)),
    [ok = ?S:setopt(Socket, socket, reuseaddr, true) || Socket <- [First, Second]],
    ?assertEqual({ok, maps:get(port, Address)}, ?S:bind(Second, Address)),
    close({First, Second}).

-spec inet6_carries_flowinfo_and_scope_id(config()) -> term().
inet6_carries_flowinfo_and_scope_id(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Socket = unconnected({inet6, dgram}),
    LinkLocal = #{family => inet6, addr => {16#fe80, 0, 0, 0, 0, 0, 0, 1}},
    ?assertEqual({error, einval}, ?S:bind(Socket, LinkLocal)),
    [?assertEqual({error, einval}, ?S:bind(Socket, #{family => inet6, addr => loopback, Key => Value}))
     || Key <- [flowinfo, scope_id], Value <- [-1, 1 bsl 32, none]],
    {ok, Port} = ?S:bind(Socket, #{family => inet6, addr => loopback, flowinfo => 5, scope_id => 1}),
    ?assertMatch(#{family := inet6, port := Port, addr := {0, 0, 0, 0, 0, 0, 0, 1}, flowinfo := 0, scope_id := 0},
                 local_address(Socket)),
    close(Socket).

-spec inet6_socket_shows_a_mapped_source(config()) -> term().
inet6_socket_shows_a_mapped_source(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Receiver = unconnected({inet6, dgram}),
    ok = ?S:setopt(Receiver, ipv6, v6only, false),
    {ok, Port} = ?S:bind(Receiver, any),
    Sender = bound({inet, dgram}),
    #{port := SenderPort} = local_address(Sender),
    ok = ?S:sendto(Sender, <<"x">>, #{family => inet, addr => loopback, port => Port}),
    ?assertMatch({ok, {#{family := inet6, addr := {0, 0, 0, 0, 0, 65535, 16#7f00, 1}, port := SenderPort}, <<"x">>}},
                 ?S:recvfrom(Receiver, 0, ?PATIENCE)),
    close({Receiver, Sender}).

-spec v6only_socket_refuses_mapped_addresses(config()) -> term().
v6only_socket_refuses_mapped_addresses(_) ->
    skip_unless(has_ipv6(), "no IPv6 on loopback"),
    Socket = unconnected({inet6, dgram}),
    ok = ?S:setopt(Socket, ipv6, v6only, true),
    Mapped = #{family => inet6, addr => {0, 0, 0, 0, 0, 65535, 16#7f00, 1}, port => 9},
    ?assertEqual({error, enetunreach}, ?S:connect(Socket, Mapped)),
    close(Socket).

-spec connect_to_any_reaches_loopback(config()) -> term().
connect_to_any_reaches_loopback(_) ->
    [begin
         Listener = listener({Domain, stream}),
         Client = unconnected({Domain, stream}),
         #{addr := Loopback, port := Port} = local_address(Listener),
         ?assertEqual(ok, ?S:connect(Client, #{family => Domain, addr => any, port => Port})),
         ?assertMatch({ok, #{addr := Loopback, port := Port}}, ?S:peername(Client)),
         close({Listener, Client})
     end || {Domain, stream} <- kinds(), Domain =/= local].

-spec connect_takes_loopback_without_port_defaults(config()) -> term().
connect_takes_loopback_without_port_defaults(_) ->
    Client = unconnected({inet, stream}),
    ?assertEqual({error, econnrefused}, ?S:connect(Client, #{family => inet, addr => loopback})),
    close(Client).

-spec sockname_of_an_unbound_socket_is_any_and_0(config()) -> term().
sockname_of_an_unbound_socket_is_any_and_0(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual({ok, #{family => inet, addr => {0, 0, 0, 0}, port => 0}}, ?S:sockname(Socket)),
    ?assertEqual({error, enotconn}, ?S:peername(Socket)),
    close(Socket).

%% ---- local ----

-spec local_path_is_a_string_or_a_binary(config()) -> term().
local_path_is_a_string_or_a_binary(_) ->
    in_directory(fun(Directory) ->
        [begin
             Path = filename:join(Directory, unique()),
             Listener = unconnected({local, stream}),
             {ok, 0} = ?S:bind(Listener, #{family => local, path => Make(Path)}),
             ok = ?S:listen(Listener),
             ?assertEqual({ok, #{family => local, path => Path}}, ?S:sockname(Listener)),
             Client = unconnected({local, stream}),
             ?assertEqual(ok, ?S:connect(Client, #{family => local, path => Path})),
             ?assertEqual({ok, #{family => local, path => Path}}, ?S:peername(Client)),
             close({Listener, Client})
         end || Make <- [fun(Path) -> Path end, fun list_to_binary/1]]
    end).

%% In UTF-8, whatever the VM takes file names to be in (LANG).
-spec local_path_of_unicode_comes_back_as_bytes(config()) -> term().
local_path_of_unicode_comes_back_as_bytes(_) ->
    in_directory(fun(Directory) ->
        Socket = unconnected({local, stream}),
        Path = filename:join(Directory, unique() ++ [16#e5, 16#4e2d]),
        {ok, 0} = ?S:bind(Socket, #{family => local, path => Path}),
        Encoded = unicode:characters_to_binary(Path),
        ?assertEqual(binary_to_list(Encoded), maps:get(path, local_address(Socket))),
        ?assertEqual(ok, file:delete(Encoded)),
        close(Socket)
    end).

-spec local_path_holds_up_to_107_bytes(config()) -> term().
local_path_holds_up_to_107_bytes(_) ->
    in_directory(fun(Directory) ->
        Prefix = filename:join(Directory, ""),
        Rows = [{107, {ok, 0}}, {108, {error, einval}}, {255, {error, einval}}],
        [begin
             Path = Prefix ++ "/" ++ lists:duplicate(Size - length(Prefix) - 1, $p),
             Socket = unconnected({local, dgram}),
             ?assertEqual({Size, Outcome}, {Size, ?S:bind(Socket, #{family => local, path => Path})}),
             close(Socket)
         end || {Size, Outcome} <- Rows],
        Socket = unconnected({local, dgram}),
        TooLong = #{family => local, path => binary:copy(<<"p">>, 256)},
        ?assertEqual({error, {invalid, {address, TooLong}}}, outcome(fun() -> ?S:bind(Socket, TooLong) end)),
        close(Socket)
    end).

-spec local_path_is_cut_at_its_first_zero(config()) -> term().
local_path_is_cut_at_its_first_zero(_) ->
    in_directory(fun(Directory) ->
        Path = filename:join(Directory, unique()),
        Socket = unconnected({local, dgram}),
        {ok, 0} = ?S:bind(Socket, #{family => local, path => Path ++ [0 | "rest"]}),
        ?assertEqual(#{family => local, path => Path}, local_address(Socket)),
        ?assertEqual(ok, file:delete(Path)),
        close(Socket)
    end).

-spec abstract_name_holds_108_bytes_and_keeps_zeros(config()) -> term().
abstract_name_holds_108_bytes_and_keeps_zeros(_) ->
    Unique = list_to_binary(unique()),
    Full = <<0, Unique/binary, 0, (binary:copy(<<"p">>, 106 - byte_size(Unique)))/binary>>,
    [begin
         Socket = unconnected({local, dgram}),
         {ok, 0} = ?S:bind(Socket, #{family => local, path => Name}),
         ?assertEqual(#{family => local, path => binary_to_list(Name)}, local_address(Socket)),
         close(Socket)
     end || Name <- [Full, <<0, Unique/binary, 0, 0>>]],
    Socket = unconnected({local, dgram}),
    ?assertEqual({error, einval}, ?S:bind(Socket, #{family => local, path => <<Full/binary, "p">>})),
    close(Socket).

-spec local_path_stays_after_close(config()) -> term().
local_path_stays_after_close(_) ->
    in_directory(fun(Directory) ->
        Address = #{family => local, path => filename:join(Directory, unique())},
        Listener = unconnected({local, stream}),
        {ok, 0} = ?S:bind(Listener, Address),
        close(Listener),
        Second = unconnected({local, stream}),
        ?assertEqual({error, eaddrinuse}, ?S:bind(Second, Address)),
        ?assertEqual({error, econnrefused}, ?S:connect(Second, Address)),
        ok = file:delete(maps:get(path, Address)),
        ?assertEqual({ok, 0}, ?S:bind(Second, Address)),
        ok = file:delete(maps:get(path, Address)),
        close(Second)
    end).

-spec unnamed_local_socket_has_an_empty_path(config()) -> term().
unnamed_local_socket_has_an_empty_path(_) ->
    {Client, Server} = pair({local, stream}),
    Unnamed = {ok, #{family => local, path => []}},
    ?assertEqual(Unnamed, ?S:sockname(Client)),
    ?assertEqual(Unnamed, ?S:peername(Server)),
    close({Client, Server}).

-spec unnamed_sender_is_undefined(config()) -> term().
unnamed_sender_is_undefined(_) ->
    Receiver = bound({local, dgram}),
    Sender = unconnected({local, dgram}),
    [ok = ?S:sendto(Sender, <<"x">>, local_address(Receiver)) || _ <- [1, 2]],
    ?assertEqual({ok, {undefined, <<"x">>}}, ?S:recvfrom(Receiver, 0, ?PATIENCE)),
    ?assertMatch({ok, #{addr := undefined, iov := [<<"x">>]}}, ?S:recvmsg(Receiver, ?PATIENCE)),
    close({Receiver, Sender}).

-spec sendto_errors_name_the_size(config()) -> term().
sendto_errors_name_the_size(_) ->
    Local = unconnected({local, dgram}),
    Udp = unconnected({inet, dgram}),
    Stream = listener({local, stream}),
    Rows = [{Local, #{family => inet, addr => loopback, port => 9}, einval},
            {Local, #{family => local, path => "/" ++ unique()}, enoent},
            {Local, local_address(Stream), econnrefused},
            {Udp, #{family => inet, addr => loopback, port => 0}, einval},
            {Udp, #{family => inet, addr => loopback, port => http}, einval}],
    [?assertEqual({Address, {error, {Reason, 3}}}, {Address, ?S:sendto(Socket, <<"abc">>, Address)})
     || {Socket, Address, Reason} <- Rows],
    ?assertEqual({error, {edestaddrreq, 3}}, ?S:send(Udp, <<"abc">>)),
    ?assertEqual({error, {enotconn, 3}}, ?S:send(Local, <<"abc">>)),
    close({Local, Udp, Stream}).

-spec accept_tells_apart_unnamed_and_bound_clients(config()) -> term().
accept_tells_apart_unnamed_and_bound_clients(_) ->
    Listener = listener({local, stream}),
    Name = abstract(),
    Named = unconnected({local, stream}),
    {ok, 0} = ?S:bind(Named, Name),
    Peer = accepted(Listener, Named),
    ?assertEqual({ok, Name#{path := binary_to_list(maps:get(path, Name))}}, ?S:peername(Peer)),
    close([Listener, Named, Peer]).

%% A short folder of our own: the path of an address has 107 bytes at most.
-spec in_directory(fun((file:filename()) -> Result)) -> Result.
in_directory(Test) ->
    Directory = filename:join("/tmp", unique()),
    ok = file:make_dir(Directory),
    try
        Test(Directory)
    after
        ok = file:del_dir_r(Directory)
    end.
